"""Balanced or not: trials that differ in their data plan alone."""

from collections import defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from fer_tune.common.text import pluralize
from fer_tune.data.resampling import DATA_PLANS
from fer_tune.report.intervals import Estimate, estimate_difference, stdev
from fer_tune.report.load_study import ReportedStudy
from fer_tune.report.plotting import MARKERS, PALE, draw_picture, format_metric_name
from fer_tune.report.section import Picture, Section
from fer_tune.scoring.metrics import EpochResult, find_best_epoch
from fer_tune.study.records.trial_record import TrialRecord
from fer_tune.terminal.formatting import format_mean_and_std

if TYPE_CHECKING:
    from matplotlib.axes import Axes

TITLE = "Balanced or not"
ORIGINAL_PLAN = "original"
PAIRS_NOTE = (
    "Lines join trials with the same settings, each at its best among the epochs that both have. "
)
NOTE = (
    "Pale points are all trials at their best epoch, bars their mean and standard deviation. "
    "Trials by plan differ in everything else as well: the search spends more of them where it "
    "finds good ones."
)


@dataclass(frozen=True)
class TrialPair:
    """Two trials with the same settings, one on the original data, one by another plan.

    epochs: that both have; each is taken at its best among them.
    """

    plan: str
    epochs: int
    original: EpochResult
    other: EpochResult


def find_trial_pairs(study: ReportedStudy) -> list[TrialPair]:
    """Every trial that has a twin on the original data, beside that."""
    alike: dict[str, dict[str, TrialRecord]] = defaultdict(dict)
    for each in (trial.record for trial in study.scored):
        settings = each.config.model_dump_json(exclude={"data_plan"})
        alike[settings].setdefault(each.config.data_plan, each)
    return [
        _make_pair(study, plans[ORIGINAL_PLAN], plans[plan])
        for plans in alike.values()
        if ORIGINAL_PLAN in plans
        for plan in DATA_PLANS
        if plan in plans and plan != ORIGINAL_PLAN
    ]


def _make_pair(study: ReportedStudy, original: TrialRecord, other: TrialRecord) -> TrialPair:
    epochs = min(len(original.history), len(other.history))
    first = find_best_epoch(original.history[:epochs], study.metric)
    second = find_best_epoch(other.history[:epochs], study.metric)
    assert first is not None
    assert second is not None
    return TrialPair(other.config.data_plan, epochs, first, second)


def build_data_plan_section(study: ReportedStudy) -> Section:
    """The same settings under each data plan, or all trials by plan."""
    if not study.scored:
        return Section(TITLE, "No trial has finished an epoch yet.")
    found = find_trial_pairs(study)
    by_plan: dict[str, list[float]] = {}
    for each in sorted(
        study.scored, key=lambda each: DATA_PLANS.index(each.record.config.data_plan)
    ):
        values = by_plan.setdefault(each.record.config.data_plan, [])
        values.append(each.metrics[study.metric])
    note = PAIRS_NOTE + NOTE if found else NOTE
    words = (
        summarize_pairs(found, study.metric) if found else summarize_plans(by_plan, study.metric)
    )
    return Section(TITLE, words, note, [_plot_by_plan(by_plan, found, study.metric)])


def summarize_pairs(pairs: list[TrialPair], metric: str) -> str:
    """What each plan changed at the same settings."""
    told = []
    for plan in dict.fromkeys(each.plan for each in pairs):
        own = [each for each in pairs if each.plan == plan]
        changes = [estimate_difference(each.other, each.original, metric) for each in own]
        epochs = ", ".join(str(each.epochs) for each in own)
        if len(own) == 1:
            told.append(
                f"{plan} {_format_change(changes[0])} (one pair, over {pluralize(own[0].epochs, 'epoch')})"
            )
        else:
            values = [each.value for each in changes]
            change = f"{np.mean(values):+.3f} ± {stdev(values):.3f}"
            told.append(f"{plan} {change} ({len(own)} pairs, over {epochs} epochs)")
    return (
        f"Against the original data, with all other settings the same, the {format_metric_name(metric)} "
        f"changes so: {'; '.join(told)}."
    )


def _format_change(change: Estimate) -> str:
    if change.low is None or change.high is None:
        return f"{change.value:+.3f}"
    return f"{change.value:+.3f} [{change.low:+.3f} to {change.high:+.3f}]"


def summarize_plans(by_plan: dict[str, list[float]], metric: str) -> str:
    """The mean of each plan's trials, where no two trials compare better."""
    told = "; ".join(
        f"{plan} {format_mean_and_std(values)} ({len(values)})" for plan, values in by_plan.items()
    )
    return (
        "No two trials differ in their data plan alone, so here is the "
        f"{format_metric_name(metric)} of all by plan, mean and standard deviation (trials): {told}."
    )


def _plot_by_plan(by_plan: dict[str, list[float]], pairs: list[TrialPair], metric: str) -> Picture:
    place = {plan: index for index, plan in enumerate(by_plan)}

    def plot_panels(axes: "list[Axes]") -> None:
        rng = np.random.default_rng(0)
        for plan, values in by_plan.items():
            aside = place[plan] + rng.uniform(-0.12, 0.12, len(values))
            axes[0].plot(aside, values, "o", color=PALE, markersize=4)
            axes[0].errorbar(
                place[plan] + 0.24, np.mean(values), stdev(values), fmt="_", color="0.3", capsize=3
            )
        for index, pair in enumerate(pairs):
            axes[0].plot(
                [place[ORIGINAL_PLAN], place[pair.plan]],
                [pair.original.metrics[metric], pair.other.metrics[metric]],
                marker=MARKERS[index % len(MARKERS)],
                linestyle=("-", "--", ":", "-.")[index % 4],
                color=f"C{index % 8}",
            )
        axes[0].set_xticks(range(len(place)), list(place))
        axes[0].set_xlim(-0.5, len(place) - 0.5)
        axes[0].set_ylabel(f"validation {format_metric_name(metric)}")
        axes[0].set_xlabel("data plan")

    alt = f"{format_metric_name(metric)} by data plan: " + ", ".join(
        f"{plan} {format_mean_and_std(values)} over {len(values)}"
        for plan, values in by_plan.items()
    )
    return draw_picture("balance", alt, plot_panels, height=2.8)
