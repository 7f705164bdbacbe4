"""The section on the trade-off between augmentation and model size."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import median

from matplotlib.axes import Axes
from matplotlib.ticker import LogLocator, NullLocator, StrMethodFormatter

from fer_tune.common.safe_text import pluralize
from fer_tune.model_config import ModelConfig
from fer_tune.report.load_study import ReportedStudy
from fer_tune.report.plotting import add_legend, draw_picture, plot_trials
from fer_tune.report.section import Picture, Section
from fer_tune.scoring.significance import compare_groups, judge_difference
from fer_tune.study.ranking import SCORE_METRIC, explain_small_groups, select_learnt_trials
from fer_tune.terminal.formatting import format_mean_and_std
from fer_tune.trial_config import TrialConfig

TITLE = "Augmentation and model size"
NOTE = (
    "Model size is the number of trainable parameters. Each point is a trial at its best epoch. "
    "Filled points are completed trials, hollow points are not. The summary leaves out trials that "
    "have not learnt: their accuracy does not beat always naming the largest class. The number "
    "after ± is the standard deviation over trials. Whether a difference may be chance is decided "
    "by the Mann-Whitney U test. The groups may also differ in other parameters."
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
    points = {}
    for trial in study.scored:
        config, scores = trial.record.config, (trial.metrics[SCORE_METRIC], trial.metrics["gap"])
        size = count_trial_parameters(config, len(study.classes))
        points[trial] = ComplexityPoint(size, config.augmentation, *scores, trial.is_completed)
    learnt = [points[trial] for trial in select_learnt_trials(study.scored)]
    summary = summarize_augmentation(learnt, set(study.space.parameters))
    return Section(TITLE, summary, NOTE, [_plot_complexity([*points.values()])])


def count_trial_parameters(config: TrialConfig, classes: int) -> int:
    """Return the number of trainable parameters of a trial's network."""
    import torch

    from fer_tune.model import FerNet, count_parameters

    with torch.device("meta"):  # takes no memory
        return count_parameters(FerNet(config, classes))


def summarize_augmentation(points: Sequence[ComplexityPoint], varied: set[str]) -> str:
    """Return the gap by model size and, if possible, by augmentation.

    Only completed trials count, if there are at least MIN_TRIALS.

    points: of the trials that have learnt.
    varied: names of the parameters that the study varies.
    """
    if not _SHAPE_PARAMETERS & varied:
        return "The study does not vary the size of the network, so there is no trade-off to show."
    completed = [point for point in points if point.is_completed]
    points = completed if len(completed) >= MIN_TRIALS else points
    trials = "completed trials" if points is completed else "trials"
    if not points:
        return "No trial has learnt, so there is nothing to compare."
    size = median(point.parameters for point in points)
    half = median(point.augmentation for point in points)
    limit = f"{size / 1e6:.2g} million parameters"
    sizes = {
        f"with up to {limit}": [point for point in points if point.parameters <= size],
        f"with more than {limit}": [point for point in points if point.parameters > size],
    }
    by_augmentation = {name: _group_gaps(some, half) for name, some in sizes.items()}
    reason = "The study does not vary augmentation"
    if "augmentation" in varied:
        if any(explain_small_groups(groups) == "" for groups in by_augmentation.values()):
            return " ".join(
                explain_small_groups(groups, f" {name}")
                or f"For {trials} {name}, the gap is {_compare_gaps(groups)}."
                for name, groups in by_augmentation.items()
            )
        reason = "Too few trials differ in augmentation"
    by_size = {name: [point.gap for point in some] for name, some in sizes.items()}
    text = explain_small_groups(by_size) or f"The gap of the {trials} is {_compare_gaps(by_size)}."
    return f"{reason}, so only model size is compared. {text}"


def _group_gaps(points: Sequence[ComplexityPoint], half: float) -> dict[str, list[float]]:
    """Return the gaps of trials with weaker and with stronger augmentation."""
    return {
        f"with augmentation up to {half:.2g}": [p.gap for p in points if p.augmentation <= half],
        "with more": [p.gap for p in points if p.augmentation > half],
    }


def _compare_gaps(groups: Mapping[str, Sequence[float]]) -> str:
    """Return the mean gap of two groups, and whether the difference may be chance."""
    means = " and ".join(
        f"{format_mean_and_std(gaps)} ({pluralize(len(gaps), 'trial')}) {name}"
        for name, gaps in groups.items()
    )
    return f"{means} (difference: {judge_difference(compare_groups(*groups.values()))})"


def _plot_complexity(points: Sequence[ComplexityPoint]) -> Picture:
    def plot_panels(axes: list[Axes]) -> None:
        low = -1.0
        for index, (name, high) in enumerate(_STRENGTHS.items()):
            some = [point for point in points if low <= point.augmentation < high]
            low = high
            for panel, measure in zip(axes, ("score", "gap"), strict=True):
                values = [(p.parameters / 1e6, getattr(p, measure), p.is_completed) for p in some]
                plot_trials(panel, values, name, index)
        axes[0].set_ylabel("validation macro F1")
        axes[1].set(xlabel="trainable parameters, in millions", ylabel="gap in accuracy")
        axes[1].set_xscale("log")
        axes[1].xaxis.set_major_locator(LogLocator(subs=(1, 2, 3, 5)))
        axes[1].xaxis.set_major_formatter(StrMethodFormatter("{x:g}"))
        axes[1].xaxis.set_minor_locator(NullLocator())
        add_legend(axes[0], 3, "augmentation")

    sizes = [point.parameters for point in points]
    alt = (
        f"Macro F1 and gap of {pluralize(len(points), 'trial')} by trainable parameters, from "
        f"{min(sizes):,} to {max(sizes):,}, and by strength of augmentation."
    )
    return draw_picture(alt, plot_panels, height=4.4, panels=2)
