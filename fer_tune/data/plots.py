"""Plots of a data set: faces by class as bars, and sample faces of each class."""

import io
import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray

from fer_tune.common import atomic
from fer_tune.common.safe_text import pluralize
from fer_tune.data.faces import SIDE, SPLIT_NAMES, Faces, SplitName, Splits
from fer_tune.data.near_duplicate_pairs import NearPair

_FACES_PER_CLASS = 12
_MARGIN = 4  # white pixels around each face
_CELL = SIDE + 2 * _MARGIN
_LINE = 9  # further pixels for each line of the captions
_CAPTION_LETTERS = 12  # more would reach into the next caption
_DPI = 200

_Cell = tuple[NDArray[np.uint8], str]  # an image, (48, W), and its caption


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
    faces: Faces, classes: Sequence[str], path: Path, *, title: str, captions: Sequence[str] = ()
) -> None:
    """Write a PNG at `path`: one row for each class with its first faces.

    captions: a word for each of the faces, which is written below it.
    """
    counts = faces.count_by_class(len(classes))
    rows: dict[str, list[_Cell]] = {}
    for label, name in enumerate(classes):
        members = np.flatnonzero(faces.labels == label)[:_FACES_PER_CLASS]
        words = [_shorten(captions[face]) if captions else "" for face in members]
        rows[f"{name}\n{counts[label]:,}"] = list(zip(faces.images[members], words, strict=True))
    _plot_rows(rows, path, title)


def plot_near_duplicates(
    splits: Splits, pairs: Sequence[NearPair], path: Path, *, title: str
) -> None:
    """Write a PNG at `path`: a row of pairs for each kind, with classes, splits and bits below."""
    gap = np.full((SIDE, _MARGIN), 255, np.uint8)
    rows: dict[str, list[_Cell]] = {}
    for pair in pairs:
        ends = zip(pair.splits, pair.positions, strict=True)
        first, second = (splits[name].images[position] for name, position in ends)
        different = [
            " | ".join(map(_shorten, dict.fromkeys(own))) for own in (pair.classes, pair.splits)
        ]
        caption = "\n".join([*different, pluralize(pair.bits, "bit")])
        row = rows.setdefault(pair.kind.replace(", ", ",\n"), [])
        row.append((np.hstack([first, gap, second]), caption))
    _plot_rows(rows, path, title)


def _shorten(word: str) -> str:
    return word if len(word) <= _CAPTION_LETTERS else f"{word[: _CAPTION_LETTERS - 1]}…"


def _plot_rows(rows: Mapping[str, Sequence[_Cell]], path: Path, title: str) -> None:
    lines = max(len(caption.splitlines()) for row in rows.values() for _, caption in row)
    height = _CELL + _LINE * lines
    sheet = np.full((height * len(rows), _CELL * _FACES_PER_CLASS), 255, np.uint8)
    figure = Figure(figsize=(8, 0.5 + 0.6 * len(rows) * height / _CELL), layout="constrained")
    axes = figure.subplots()
    for top, row in zip(range(_MARGIN, len(sheet), height), rows.values(), strict=True):
        left = _MARGIN
        for image, caption in row:
            width = image.shape[1]
            sheet[top : top + SIDE, left : left + width] = image
            options = {"fontsize": 6, "ha": "center", "va": "top"}
            axes.text(left + width / 2, top + SIDE, caption, options, parse_math=False)
            left += width + 2 * _MARGIN
    axes.imshow(sheet, cmap="gray", vmin=0, vmax=255, interpolation="nearest")
    middles = [height * number + _CELL / 2 for number in range(len(rows))]
    axes.set_yticks(middles, list(rows), fontsize=8, parse_math=False)
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
