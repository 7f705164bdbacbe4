"""Pictures in one style, as SVG that can stand inside a page."""

import io
import re
import warnings
import zlib
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from matplotlib import style
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from fer_tune.report.section import Picture
from fer_tune.scoring.metric_estimates import Estimate

STYLE_FILE = Path(__file__).with_name("report.mplstyle")
WIDTH_INCHES = 4.8  # fits a phone and a desk

# Shapes differ too, for readers who do not see the colours.
MARKERS = ("o", "s", "^", "D", "v", "P", "X", "*")
PALE = "0.7"
_MAX_LETTERS = 14


def truncate_names(names: Sequence[str]) -> list[str]:
    """Return names that leave room for the picture beside them."""
    return [name if len(name) <= _MAX_LETTERS else f"{name[: _MAX_LETTERS - 1]}…" for name in names]


def plot_trials(
    axes: Axes, trials: Sequence[tuple[float, float, bool]], label: str, style: int
) -> None:
    """Plot one point a trial: filled if it is completed, else hollow.

    trials: x, y and whether the trial is completed.
    style: number of the marker and its colour.
    """
    for filled in (False, True):
        points = [(x, y) for x, y, is_completed in trials if is_completed is filled]
        if points:
            look = "full" if filled else "none"
            x, y = zip(*points, strict=True)
            axes.plot(x, y, MARKERS[style], color=f"C{style}", fillstyle=look, label=label)


def add_legend(axes: Axes, columns: int, title: str | None = None) -> None:
    """Put a legend above the panel; of curves with the same label, it has the last."""
    curves, labels = axes.get_legend_handles_labels()
    entries = dict(zip(labels, curves, strict=True))
    legend = axes.legend(entries.values(), entries, title=title, ncols=columns, loc="lower center")
    legend.set_bbox_to_anchor((0.5, 1.0))


def name_rows(axes: Axes, names: Sequence[str], xlabel: str) -> None:
    """Name the rows of a panel, the first at the top, and its x axis."""
    axes.set_yticks(range(len(names)), names)
    axes.set_ylim(len(names) - 0.5, -0.5)
    axes.set_xlabel(xlabel)


def draw_picture(
    alt: str, plot_panels: Callable[[list[Axes]], None], *, height: float, panels: int = 1
) -> Picture:
    """Return a picture of one or more panels, one below the other, with a common x axis.

    plot_panels: plots into the panels.
    height: inches.
    """
    text = io.StringIO()
    with style.context(STYLE_FILE), warnings.catch_warnings():
        # This machine's font may lack letters that the reader's font has.
        warnings.simplefilter("ignore", UserWarning)
        figure = Figure(figsize=(WIDTH_INCHES, height), layout="constrained")
        plot_panels(list(figure.subplots(panels, 1, sharex=True, squeeze=False)[:, 0]))
        no_metadata = dict.fromkeys(("Creator", "Date", "Format", "Type"))
        figure.savefig(text, format="svg", metadata=no_metadata)
    svg = text.getvalue()
    svg = svg[svg.index("<svg") :]
    # Matplotlib uses the same ids in every picture; on one page they must differ.
    prefix = f"p{zlib.crc32(svg.encode()):x}-"
    return Picture(re.sub(r'(\bid="|url\(#|href="#)', rf"\g<1>{prefix}", svg), alt)


def draw_rows(
    alt: str, names: Sequence[str], xlabel: str, series: Mapping[str, Sequence[Estimate]]
) -> Picture:
    """Return a picture of points with their intervals, a row for each name.

    series: an estimate for each name, by label; at most two.
    """

    def plot_panels(axes: list[Axes]) -> None:
        for index, (label, estimates) in enumerate(series.items()):
            axes[0].errorbar(
                [estimate.value for estimate in estimates],
                [row + 0.24 * index - 0.12 for row in range(len(names))],
                xerr=list(zip(*(estimate.error_bars for estimate in estimates), strict=True)),
                fmt="os"[index],
                fillstyle=("none", "full")[index],
                capsize=3,
                label=label,
            )
            if any(estimate.value < estimate.error_bars[0] for estimate in estimates):
                axes[0].axvline(0, color="0.4", linewidth=0.8)
        name_rows(axes[0], names, xlabel)
        add_legend(axes[0], 2)

    return draw_picture(alt, plot_panels, height=1.1 + 0.36 * len(names))
