"""Drawings in one style, as SVG for the middle of a page."""

import io
import re
import warnings
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from fer_tune.report.section import Picture

if TYPE_CHECKING:
    from matplotlib.axes import Axes

STYLE_FILE = Path(__file__).with_name("report.mplstyle")
WIDTH_INCHES = 4.8  # inches: read on a phone as on a desk

# Told apart without colours as well.
MARKERS = ("o", "s", "^", "D", "v", "P", "X", "*")
PALE = "0.7"
_MAX_LETTERS = 14  # letters


def format_metric_name(metric: str) -> str:
    """A metric's name for people: val/macro_f1 is macro F1."""
    return metric.removeprefix("val/").replace("macro_f1", "macro F1").replace("_", " ")


def truncate_names(names: Sequence[str]) -> list[str]:
    """Names that leave room for what is drawn beside them."""
    return [name if len(name) <= _MAX_LETTERS else f"{name[: _MAX_LETTERS - 1]}…" for name in names]


def plot_trials(
    axes: "Axes", trials: Sequence[tuple[float, float, bool]], *, marker: str, color: str
) -> None:
    """A point a trial, at (x, y): filled where it ran to its end, else hollow."""
    for filled in (True, False):
        some = [(x, y) for x, y, finished in trials if finished is filled]
        axes.plot(
            [x for x, _ in some],
            [y for _, y in some],
            marker,
            color=color,
            fillstyle="full" if filled else "none",
        )


def draw_picture(
    name: str,
    alt: str,
    plot_panels: "Callable[[list[Axes]], None]",
    *,
    height: float,
    panels: int = 1,
) -> Picture:
    """What `paint` paints into the panels, one below the other with a common x axis.

    name: unlike any other on the page, and fit for an id.
    height: inches.
    """
    from matplotlib import style
    from matplotlib.figure import Figure

    written = io.StringIO()
    with style.context(STYLE_FILE), warnings.catch_warnings():
        # Of letters that the font at hand lacks, though the reader's may have them, and the like.
        warnings.simplefilter("ignore", UserWarning)
        figure = Figure(figsize=(WIDTH_INCHES, height), layout="constrained")
        plot_panels(list(figure.subplots(panels, 1, sharex=True, squeeze=False)[:, 0]))
        nothing = dict.fromkeys(("Creator", "Date", "Format", "Type"))
        figure.savefig(written, format="svg", metadata=nothing)
    svg = written.getvalue()
    svg = svg[svg.index("<svg") :]
    # Ids are the page's: those of two drawings must differ.
    return Picture(re.sub(r'(\bid="|url\(#|href="#)', rf"\g<1>{name}-", svg), alt)
