"""The section on the trade-off between augmentation and model size."""

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median
from typing import TYPE_CHECKING

from fer_tune.common.safe_text import pluralize
from fer_tune.model_config import ModelConfig
from fer_tune.report.load_study import ReportedStudy
from fer_tune.report.plotting import add_legend, draw_picture, plot_trials
from fer_tune.report.section import NO_RESULT, Picture, Section
from fer_tune.report.training_steps import explain_epoch_lengths
from fer_tune.study.score_gap_pareto_front import SCORE_METRIC
from fer_tune.terminal.formatting import format_mean_and_std
from fer_tune.trial_config import TrialConfig

if TYPE_CHECKING:
    from matplotlib.axes import Axes

TITLE = "Augmentation and model size"
NOTE = (
    "Model size is the number of trainable parameters. Each point is a trial at its best epoch. "
    "Filled points are completed trials, hollow points are not. A trial that has hardly learned "
    "yet has no gap. The number after ± is the standard deviation over trials."
)
MIN_TRIALS = 4
_STRENGTHS = {"none or weak (below 1/3)": 1 / 3, "medium": 2 / 3, "strong (2/3 or more)": 2.0}
_SHAPE_PARAMETERS = set(ModelConfig.model_fields) - {"dropout"}


@dataclass(frozen=True)
class ComplexityPoint:
    """A trial: number of trainable parameters, strength of augmentation (0 to 1), and results."""

    parameters: int
    augmentation: float
    score: float
    gap: float
    is_completed: bool


def build_augmentation_and_size_section(study: ReportedStudy) -> Section:
    """Return the section: macro F1 and gap by model size and strength of augmentation."""
    if not study.scored:
        return Section(TITLE, NO_RESULT)
    points = [
        ComplexityPoint(
            count_trial_parameters(trial.record.config, len(study.classes)),
            trial.record.config.augmentation,
            trial.metrics[SCORE_METRIC],
            trial.metrics["gap"],
            trial.is_completed,
        )
        for trial in study.scored
    ]
    summary = summarize_augmentation(points, set(study.space.parameters))
    return Section(TITLE, summary, NOTE + explain_epoch_lengths(study), [_plot_complexity(points)])


def count_trial_parameters(config: TrialConfig, classes: int) -> int:
    """Return the number of trainable parameters of a trial's network."""
    import torch

    from fer_tune.model import FerNet, count_parameters

    with torch.device("meta"):  # takes no memory
        return count_parameters(FerNet(config, classes))


def summarize_augmentation(points: Sequence[ComplexityPoint], varied: set[str]) -> str:
    """Return the gap by model size and, if possible, by augmentation.

    Only completed trials count, if there are at least MIN_TRIALS.

    varied: names of the parameters that the study varies.
    """
    completed = [point for point in points if point.is_completed]
    points = completed if len(completed) >= MIN_TRIALS else points
    if not _SHAPE_PARAMETERS & varied or len({point.parameters for point in points}) < 2:
        return "The study does not vary the size of the network, so there is no trade-off to show."
    size = median(point.parameters for point in points)
    half = median(point.augmentation for point in points)
    trials = "completed trials" if points is completed else "trials"
    small = [point for point in points if point.parameters <= size]
    large = [point for point in points if point.parameters > size]
    limit = f"{size / 1e6:.2g} million parameters"
    sizes = {f"with up to {limit}": small, f"with more than {limit}": large}
    parts = []
    for name, some in sizes.items():
        weak = [point.gap for point in some if point.augmentation <= half]
        strong = [point.gap for point in some if point.augmentation > half]
        if weak and strong:
            parts.append(
                f"For {trials} {name}, the gap is {_format_gap(weak)} with augmentation up to "
                f"{half:.2g} and {_format_gap(strong)} above."
            )
    if "augmentation" in varied and parts:
        return " ".join(parts)
    by_size = {name: [point.gap for point in some] for name, some in sizes.items() if some}
    gaps = " and ".join(f"{_format_gap(values)} {name}" for name, values in by_size.items())
    reason = "Too few trials differ in augmentation"
    if "augmentation" not in varied:
        reason = "The study does not vary augmentation"
    return f"{reason}, so only model size is compared. The gap of the {trials} is {gaps}."


def _format_gap(gaps: Sequence[float]) -> str:
    return f"{format_mean_and_std(gaps)} ({pluralize(len(gaps), 'trial')})"


def _plot_complexity(points: Sequence[ComplexityPoint]) -> Picture:
    def plot_panels(axes: "list[Axes]") -> None:
        from matplotlib.ticker import LogLocator, NullLocator, StrMethodFormatter

        low = -1.0
        for index, (name, high) in enumerate(_STRENGTHS.items()):
            some = [point for point in points if low <= point.augmentation < high]
            low = high
            for panel, measure in zip(axes, ("score", "gap"), strict=True):
                values = [(p.parameters / 1e6, getattr(p, measure), p.is_completed) for p in some]
                plot_trials(panel, values, name, index)
        axes[1].set_xscale("log")
        axes[1].xaxis.set_major_locator(LogLocator(subs=(1, 2, 3, 5)))
        axes[1].xaxis.set_major_formatter(StrMethodFormatter("{x:g}"))
        axes[1].xaxis.set_minor_locator(NullLocator())
        axes[0].set_ylabel("validation macro F1")
        axes[1].set_ylabel("gap in accuracy")
        axes[1].set_xlabel("trainable parameters, in millions")
        add_legend(axes[0], 3, "augmentation")

    sizes = [point.parameters for point in points]
    alt = (
        f"Macro F1 and gap of {len(points)} trials by trainable parameters, from {min(sizes):,} to "
        f"{max(sizes):,}, and by strength of augmentation."
    )
    return draw_picture("complexity", alt, plot_panels, height=4.4, panels=2)
