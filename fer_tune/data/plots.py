"""Plots of a data set: faces by class as bars, and sample faces of each class."""

import io
import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray

from fer_tune.common import atomic
from fer_tune.common.safe_text import pluralize
from fer_tune.data.faces import SIDE, SPLIT_NAMES, Faces, SplitName, Splits
from fer_tune.data.near_duplicate_pairs import SHOWN_PAIRS, NearPair
from fer_tune.data.resampling import TrainingFaces

_FACES_PER_CLASS = 12
_MARGIN = 4  # white pixels around each face
_CELL = SIDE + 2 * _MARGIN
_CAPTION = 10  # further pixels below a face that has a caption
_CAPTION_LETTERS = 12  # more would reach into the next caption
_PAIR_CAPTION = 26  # further pixels below a pair of near-duplicates
_DPI = 200


def plot_class_distribution(
    counts: Mapping[SplitName, NDArray[np.int64]], classes: Sequence[str], path: Path
) -> None:
    """Write a PNG at `path`: the number of faces of each class as bars, one panel a split."""
    figure = Figure(figsize=(9, 1.2 + 0.34 * len(classes)), layout="constrained")
    panels = figure.subplots(1, len(SPLIT_NAMES), sharey=True)
    for panel, name in zip(panels, SPLIT_NAMES, strict=True):
        own = counts[name]
        bars = panel.barh(range(len(classes)), own, height=0.72, color="0.45")
        labels = [f"{count:,}  ({count / own.sum():.1%})" for count in own]
        panel.bar_label(bars, labels, padding=3, fontsize=8)
        panel.set_title(f"{name}: {own.sum():,} faces", fontsize=10, loc="left")
        panel.set_xlim(0, own.max() * 1.6)  # room for the labels beside the bars
        panel.set_xticks([])
        panel.tick_params(length=0)
        panel.spines[["top", "right", "bottom"]].set_visible(False)
    panels[0].set_yticks(range(len(classes)), classes)
    panels[0].invert_yaxis()
    _save_png(figure, path)


def plot_faces_by_class(
    training: TrainingFaces, classes: Sequence[str], path: Path, *, title: str
) -> None:
    """Write a PNG at `path`: one row of random faces for each class.

    Faces are drawn as a trial draws them, but without repeats.
    """
    rng = np.random.default_rng(0)
    rows = []
    for label in range(len(classes)):
        members = np.flatnonzero(training.faces.labels == label)
        # The sampling weights of a plan are equal inside a class.
        rows.append(rng.choice(members, min(_FACES_PER_CLASS, len(members)), replace=False))
    _plot_rows(training.faces, rows, classes, path, title)


def plot_first_faces_by_class(
    faces: Faces, captions: Sequence[str], classes: Sequence[str], path: Path, *, title: str
) -> None:
    """Write a PNG at `path`: one row for each class with its first faces.

    captions: a word for each of the faces, which is written below it.
    """
    members = (np.flatnonzero(faces.labels == label) for label in range(len(classes)))
    rows = [own[:_FACES_PER_CLASS] for own in members]
    _plot_rows(faces, rows, classes, path, title, captions)


def plot_near_duplicates(
    splits: Splits, pairs: Sequence[NearPair], path: Path, *, title: str
) -> None:
    """Write a PNG at `path`: a row of pairs for each kind, with classes, splits and bits below."""
    kinds, cell = list(dict.fromkeys(pair.kind for pair in pairs)), 2 * _CELL + _MARGIN
    height = _CELL + _PAIR_CAPTION
    sheet = np.full((height * len(kinds), cell * SHOWN_PAIRS), 255, np.uint8)
    figure = Figure(figsize=(9, 0.5 + 1.05 * len(kinds)), layout="constrained")
    axes = figure.subplots()
    columns = dict.fromkeys(kinds, 0)
    for pair in pairs:
        top, left = kinds.index(pair.kind) * height + _MARGIN, columns[pair.kind] * cell + _MARGIN
        columns[pair.kind] += 1
        for number, (name, position) in enumerate(zip(pair.splits, pair.positions, strict=True)):
            start = left + number * (SIDE + _MARGIN)
            sheet[top : top + SIDE, start : start + SIDE] = splits[name].images[position]
        captions = (_join_different(pair.classes), _join_different(pair.splits))
        caption = "\n".join([*captions, pluralize(pair.bits, "bit")])
        options = {"fontsize": 6, "ha": "center", "va": "top"}
        axes.text(left + SIDE + _MARGIN / 2, top + SIDE, caption, options, parse_math=False)
    axes.imshow(sheet, cmap="gray", vmin=0, vmax=255, interpolation="nearest")
    middles = [height * row + _CELL / 2 for row in range(len(kinds))]
    axes.set_yticks(middles, [kind.replace(", ", ",\n") for kind in kinds], fontsize=8)
    _finish_sheet(figure, axes, title, path)


def _join_different(pair: tuple[str, str]) -> str:
    return " | ".join(map(_shorten, dict.fromkeys(pair)))


def _shorten(word: str) -> str:
    return word if len(word) <= _CAPTION_LETTERS else f"{word[: _CAPTION_LETTERS - 1]}…"


def _plot_rows(
    faces: Faces,
    rows: Sequence[NDArray[np.int64]],  # the faces of each class
    classes: Sequence[str],
    path: Path,
    title: str,
    captions: Sequence[str] = (),
) -> None:
    height = _CELL + (_CAPTION if captions else 0)
    sheet = np.full((height * len(rows), _CELL * _FACES_PER_CLASS), 255, np.uint8)
    figure = Figure(figsize=(8, 0.5 + 0.6 * len(rows) * height / _CELL), layout="constrained")
    axes = figure.subplots()
    for row, chosen in enumerate(rows):
        for column, face in enumerate(chosen):
            top, left = row * height + _MARGIN, column * _CELL + _MARGIN
            sheet[top : top + SIDE, left : left + SIDE] = faces.images[face]
            if captions:
                word, options = captions[face], {"fontsize": 6, "ha": "center", "va": "top"}
                axes.text(left + SIDE / 2, top + SIDE, _shorten(word), options, parse_math=False)
    axes.imshow(sheet, cmap="gray", vmin=0, vmax=255, interpolation="nearest")
    counts = faces.count_by_class(len(classes))
    ticks = [f"{name}\n{count:,}" for name, count in zip(classes, counts, strict=True)]
    middles = [height * row + _CELL / 2 for row in range(len(classes))]
    axes.set_yticks(middles, ticks, fontsize=8, parse_math=False)
    _finish_sheet(figure, axes, title, path)


def _finish_sheet(figure: Figure, axes: Axes, title: str, path: Path) -> None:
    axes.set_xticks([])
    axes.tick_params(length=0)
    axes.spines[:].set_visible(False)
    axes.set_title(title, fontsize=9, loc="left", parse_math=False)
    _save_png(figure, path)


def _save_png(figure: Figure, path: Path) -> None:
    png = io.BytesIO()
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Glyph")  # letters of names that the font lacks
        figure.savefig(png, format="png", dpi=_DPI, bbox_inches="tight", pad_inches=0.08)
    atomic.write_file(path, png.getvalue())
