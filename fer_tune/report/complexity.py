"""How the strength of augmentation and the complexity of the network trade off."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from fer_tune.common.text import pluralize
from fer_tune.model_config import ModelConfig
from fer_tune.report.load_study import ReportedStudy
from fer_tune.report.plotting import draw_picture, plot_trials
from fer_tune.report.section import Picture, Section
from fer_tune.study.pareto_front import SCORE_METRIC
from fer_tune.terminal.formatting import format_mean_and_std
from fer_tune.trial_config import TrialConfig

if TYPE_CHECKING:
    from matplotlib.axes import Axes

TITLE = "Augmentation against model complexity"
NOTE = (
    "Complexity is the number of trainable parameters. Each trial is taken at its best epoch. "
    "Filled points ran to their end, hollow ones did not, and a trial that has hardly learnt yet "
    "has no gap; ± is the standard deviation over trials."
)
MIN_TRIALS = 4
_STRENGTHS = {"none or weak (below 1/3)": 1 / 3, "middling": 2 / 3, "strong (2/3 or more)": 2.0}
_SHAPE_PARAMETERS = set(ModelConfig.model_fields) - {"dropout"}


@dataclass(frozen=True)
class ComplexityPoint:
    """A trial: trainable parameters, strength of augmentation from 0 to 1, and what it reached.

    finished: whether it ran to its end.
    """

    parameters: int
    augmentation: float
    score: float
    gap: float
    is_completed: bool


def build_complexity_section(study: ReportedStudy) -> Section:
    """Macro F1 and gap by size of the network and strength of augmentation."""
    if not study.scored:
        return Section(TITLE, "No trial has finished an epoch yet.")
    found = [
        ComplexityPoint(
            count_trial_parameters(each.record.config, len(study.classes)),
            each.record.config.augmentation,
            each.metrics[SCORE_METRIC],
            each.metrics["gap"],
            each.is_completed,
        )
        for each in study.scored
    ]
    return Section(
        TITLE,
        summarize_complexity(found, set(study.space.parameters)),
        NOTE,
        [_plot_complexity(found)],
    )


def count_trial_parameters(config: TrialConfig, classes: int) -> int:
    """Trainable parameters of the network, which takes no memory for it."""
    import torch

    from fer_tune.model import FerNet
    from fer_tune.model import count_parameters as count

    with torch.device("meta"):
        return count(FerNet(config, classes))


def summarize_complexity(points: Sequence[ComplexityPoint], varied: set[str]) -> str:
    """What stronger augmentation did to the gap in smaller and in larger networks.

    It is told of the trials that ran to their end, where there are enough to part them twice.
    """
    finished = [each for each in points if each.is_completed]
    found = finished if len(finished) >= MIN_TRIALS else points
    if not _SHAPE_PARAMETERS & varied or len({each.parameters for each in found}) < 2:
        return "The study does not vary the size of the network, so there is no trade-off to see."
    if "augmentation" not in varied:
        return _summarize_sizes(found, "The study varies no augmentation")
    size = float(np.median([each.parameters for each in found]))
    half = float(np.median([each.augmentation for each in found]))
    told = []
    for name, some in _split_by_size(found, size).items():
        weak = [each.gap for each in some if each.augmentation <= half]
        strong = [each.gap for each in some if each.augmentation > half]
        if weak and strong:
            told.append(
                f"the gap of the {name} networks is {format_mean_and_std(weak)} with augmentation up "
                f"to {half:.2g} and {format_mean_and_std(strong)} above ({len(weak)} and "
                f"{len(strong)} trials)"
            )
    if not told:
        return _summarize_sizes(found, "Too few trials differ in augmentation")
    whose = "The trials that ran to their end, parted" if found is finished else "Parted"
    return f"{whose} at {size / 1e6:.2g} million parameters: {'; '.join(told)}."


def _split_by_size(
    points: Sequence[ComplexityPoint], size: float
) -> dict[str, list[ComplexityPoint]]:
    return {
        "smaller": [each for each in points if each.parameters <= size],
        "larger": [each for each in points if each.parameters > size],
    }


def _summarize_sizes(points: Sequence[ComplexityPoint], reason: str) -> str:
    size = float(np.median([each.parameters for each in points]))
    told = [
        f"{format_mean_and_std([each.gap for each in some])} in the {name} ones "
        f"({pluralize(len(some), 'trial')})"
        for name, some in _split_by_size(points, size).items()
        if some
    ]
    return (
        f"{reason}, so only the size of the network is seen here: parted at {size / 1e6:.2g} "
        f"million parameters, the gap is {' and '.join(told)}."
    )


def _plot_complexity(points: Sequence[ComplexityPoint]) -> Picture:
    def plot_panels(axes: "list[Axes]") -> None:
        from matplotlib.ticker import LogLocator, NullLocator, StrMethodFormatter

        least = -1.0
        for index, (name, most) in enumerate(_STRENGTHS.items()):
            some = [each for each in points if least <= each.augmentation < most]
            least = most
            marker, color = "o^s"[index], f"C{index}"
            scores = [(each.parameters / 1e6, each.score, each.is_completed) for each in some]
            gaps = [(each.parameters / 1e6, each.gap, each.is_completed) for each in some]
            plot_trials(axes[0], scores, marker=marker, color=color)
            plot_trials(axes[1], gaps, marker=marker, color=color)
            if some:
                axes[0].plot([], [], marker, color=color, fillstyle="none", label=name)
        axes[1].set_xscale("log")
        axes[1].xaxis.set_major_locator(LogLocator(subs=(1, 2, 3, 5)))
        axes[1].xaxis.set_major_formatter(StrMethodFormatter("{x:g}"))
        axes[1].xaxis.set_minor_locator(NullLocator())
        axes[0].set_ylabel("validation macro F1")
        axes[1].set_ylabel("gap in accuracy")
        axes[1].set_xlabel("trainable parameters, in millions")
        axes[0].legend(title="augmentation", loc="lower center", bbox_to_anchor=(0.5, 1.0), ncols=3)

    sizes = [each.parameters for each in points]
    alt = (
        f"Macro F1 and gap of {len(points)} trials by trainable parameters, from {min(sizes):,} to "
        f"{max(sizes):,}, and by strength of augmentation."
    )
    return draw_picture("complexity", alt, plot_panels, height=4.4, panels=2)
