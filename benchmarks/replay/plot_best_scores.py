"""Plot of the best score so far against epochs, with a panel for each number of workers."""

from collections.abc import Mapping, Sequence
from itertools import cycle
from pathlib import Path

import numpy as np

from benchmarks.replay.replay_statistics import ReplayedStudy, estimate_best_so_far

# Legible in black and white.
STYLES = ("-", "--", ":", "-.", (0, (1, 1)), (0, (5, 1, 1, 1, 1, 1)))
MARKERS = "osv^DPX*"
POINTS_PER_LINE = 60


def plot_best_scores(
    runs: Mapping[tuple[str, int], Sequence[ReplayedStudy]], target: float, path: Path
) -> None:
    """Plot medians over seeds with their 95 % intervals, and the target as a dotted line.

    runs: studies by system and workers.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    workers = sorted({key[1] for key in runs})
    figure = Figure(figsize=(4.6 * len(workers), 4.4), layout="constrained")
    FigureCanvasAgg(figure)
    panels = figure.subplots(1, len(workers), sharey=True, squeeze=False)[0]
    for panel, count in zip(panels, workers, strict=True):
        systems = {name: studies for (name, key), studies in runs.items() if key == count}
        longest = max(study.epochs for studies in systems.values() for study in studies)
        epochs = np.unique(np.geomspace(8, longest, POINTS_PER_LINE).astype(np.int64))
        styles = zip(cycle(STYLES), cycle(MARKERS), strict=False)
        for (name, studies), (style, marker) in zip(systems.items(), styles, strict=False):
            median, low, high = estimate_best_so_far(studies, epochs)
            (line,) = panel.plot(
                epochs, median, linestyle=style, marker=marker, markevery=0.12, ms=4, label=name
            )
            panel.fill_between(epochs, low, high, color=line.get_color(), alpha=0.12, linewidth=0)
        panel.axhline(target, color="black", linewidth=0.8, linestyle=(0, (1, 3)))
        panel.set_xscale("log")
        panel.set_title(f"{count} worker{'s' if count > 1 else ''}")
        panel.set_xlabel("epochs of all trials")
    panels[0].set_ylabel("best validation macro F1 so far")
    panels[-1].legend(fontsize=7, loc="lower right")
    figure.savefig(path, dpi=130)
