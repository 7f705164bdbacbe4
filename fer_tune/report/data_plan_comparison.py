"""The section that compares the data plans."""

from collections import defaultdict
from dataclasses import dataclass, replace
from statistics import mean, stdev
from typing import TYPE_CHECKING

import numpy as np

from fer_tune.common.safe_text import pluralize
from fer_tune.data.resampling import DATA_PLANS
from fer_tune.report.load_study import ReportedStudy
from fer_tune.report.plotting import MARKERS, PALE, draw_picture
from fer_tune.report.section import NO_RESULT, Picture, Section
from fer_tune.scoring.metric_estimates import estimate_metric_difference
from fer_tune.scoring.metrics import EpochResult
from fer_tune.study.ranking import score_trials
from fer_tune.study.records.trial_record import TrialRecord
from fer_tune.terminal.formatting import format_mean_and_std, format_metric_name

if TYPE_CHECKING:
    from matplotlib.axes import Axes

TITLE = "Data plans"
ORIGINAL_PLAN = "original"
PAIRS_NOTE = (
    "A line joins two trials that differ only in their data plan. Both are taken at their best "
    "epoch among the epochs that both have. "
)
NOTE = (
    "Pale points are all trials at their best epoch; bars are their mean and standard deviation. "
    "The trials of two plans also differ in other parameters, because the search proposes more "
    "trials like the good ones."
)


@dataclass(frozen=True)
class TrialPair:
    """Two trials that differ only in their data plan; one has the original data.

    epochs: number of epochs that both have.
    original, other: the best of these epochs.
    """

    plan: str
    epochs: int
    original: EpochResult
    other: EpochResult


def find_trial_pairs(study: ReportedStudy) -> list[TrialPair]:
    """Return a pair for every trial that has a counterpart on the original data."""
    groups: dict[str, dict[str, TrialRecord]] = defaultdict(dict)
    for trial in study.scored:
        config = trial.record.config
        group = groups[config.model_dump_json(exclude={"data_plan"})]
        group.setdefault(config.data_plan, trial.record)
    return [
        _make_pair(study.metric, plans[ORIGINAL_PLAN], plans[plan])
        for plans in groups.values()
        if ORIGINAL_PLAN in plans
        for plan in DATA_PLANS
        if plan in plans and plan != ORIGINAL_PLAN
    ]


def _make_pair(metric: str, original: TrialRecord, other: TrialRecord) -> TrialPair:
    epochs = min(len(original.history), len(other.history))
    cut = [replace(trial, history=trial.history[:epochs]) for trial in (original, other)]
    first, second = (trial.best_epoch for trial in score_trials(cut, metric))
    return TrialPair(other.config.data_plan, epochs, first, second)


def build_data_plan_section(study: ReportedStudy) -> Section:
    """Return the section: pairs that differ only in their data plan, and all trials by plan."""
    if not study.scored:
        return Section(TITLE, NO_RESULT)
    pairs, metric = find_trial_pairs(study), study.metric
    by_plan = {plan: [t.metrics[metric] for t in some] for plan, some in study.by_plan.items()}
    picture = _plot_by_plan(by_plan, pairs, metric)
    if not pairs:
        return Section(TITLE, summarize_plans(by_plan, metric), NOTE, [picture])
    return Section(TITLE, summarize_pairs(pairs, metric), PAIRS_NOTE + NOTE, [picture])


def summarize_pairs(pairs: list[TrialPair], metric: str) -> str:
    """Return how each plan changes the metric if all other parameters stay."""
    parts = []
    for plan in dict.fromkeys(pair.plan for pair in pairs):
        own = [pair for pair in pairs if pair.plan == plan]
        changes = [estimate_metric_difference(pair.other, pair.original, metric) for pair in own]
        change = f"{changes[0]:+.3f}"
        if len(own) > 1:
            values = [estimate.value for estimate in changes]
            change = f"{mean(values):+.3f} ± {stdev(values):.3f}"
        least, most = min(pair.epochs for pair in own), max(pair.epochs for pair in own)
        epochs = f"{least} to " if least < most else ""
        epochs += pluralize(most, "epoch")
        parts.append(f"{plan} {change} in {pluralize(len(own), 'pair')} over {epochs}")
    return (
        f"Change of the {format_metric_name(metric)} against the original data, with all other "
        f"parameters equal: {'; '.join(parts)}."
    )


def summarize_plans(by_plan: dict[str, list[float]], metric: str) -> str:
    """Return the mean of each plan's trials."""
    means = "; ".join(
        f"{plan} {format_mean_and_std(values)} ({len(values)})" for plan, values in by_plan.items()
    )
    return (
        "No two trials differ only in their data plan. The "
        f"{format_metric_name(metric)} of all trials by plan is, as mean and standard deviation "
        f"(number of trials): {means}."
    )


def _plot_by_plan(by_plan: dict[str, list[float]], pairs: list[TrialPair], metric: str) -> Picture:
    columns = {plan: index for index, plan in enumerate(by_plan)}

    def plot_panels(axes: "list[Axes]") -> None:
        rng = np.random.default_rng(0)
        for plan, values in by_plan.items():
            x = columns[plan]
            spread = x + rng.uniform(-0.12, 0.12, len(values))
            deviation = stdev(values) if len(values) > 1 else 0
            axes[0].plot(spread, values, "o", color=PALE, markersize=4)
            axes[0].errorbar(x + 0.24, mean(values), deviation, fmt="_", color="0.3", capsize=3)
        for index, pair in enumerate(pairs):
            axes[0].plot(
                [columns[ORIGINAL_PLAN], columns[pair.plan]],
                [pair.original.metrics[metric], pair.other.metrics[metric]],
                marker=MARKERS[index % len(MARKERS)],
                linestyle=("-", "--", ":", "-.")[index % 4],
                color=f"C{index % 8}",
            )
        axes[0].set_xticks(range(len(columns)), list(columns))
        axes[0].set_xlim(-0.5, len(columns) - 0.5)
        axes[0].set_ylabel(f"validation {format_metric_name(metric)}")
        axes[0].set_xlabel("data plan")

    alt = f"{format_metric_name(metric)} by data plan: " + ", ".join(
        f"{plan} {format_mean_and_std(values)} over {pluralize(len(values), 'trial')}"
        for plan, values in by_plan.items()
    )
    return draw_picture("data-plans", alt, plot_panels, height=2.8)
