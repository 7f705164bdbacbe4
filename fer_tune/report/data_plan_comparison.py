"""Balanced or not: trials that differ in their data plan alone."""

from collections import defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from fer_tune.data.resampling import PLAN_NAMES
from fer_tune.report.intervals import Estimate, counted, difference, spread
from fer_tune.report.load_study import ReportedStudy
from fer_tune.report.plotting import MARKERS, PALE, draw, label
from fer_tune.report.section import Picture, Section
from fer_tune.scoring.metrics import EpochResult, best_result
from fer_tune.study.records.trial_record import TrialRecord
from fer_tune.terminal.formatting import mean_and_spread

if TYPE_CHECKING:
    from matplotlib.axes import Axes

TITLE = "Balanced or not"
PLAIN = "original"
NOTE_ON_PAIRS = (
    "Lines join trials with the same settings, each at its best among the epochs that both have. "
)
NOTE = (
    "Pale points are all trials at their best epoch, bars their mean and standard deviation. "
    "Trials by plan differ in everything else as well: the search spends more of them where it "
    "finds good ones."
)


@dataclass(frozen=True)
class Pair:
    """Two trials with the same settings, one on the original data, one by another plan.

    epochs: that both have; each is taken at its best among them.
    """

    plan: str
    epochs: int
    original: EpochResult
    other: EpochResult


def pairs(study: ReportedStudy) -> list[Pair]:
    """Every trial that has a twin on the original data, beside that."""
    alike: dict[str, dict[str, TrialRecord]] = defaultdict(dict)
    for each in study.scored:
        settings = each.config.model_dump_json(exclude={"data_plan"})
        alike[settings].setdefault(each.config.data_plan, each)
    return [
        _pair(study, plans[PLAIN], plans[plan])
        for plans in alike.values()
        if PLAIN in plans
        for plan in PLAN_NAMES
        if plan in plans and plan != PLAIN
    ]


def _pair(study: ReportedStudy, original: TrialRecord, other: TrialRecord) -> Pair:
    epochs = min(len(original.history), len(other.history))
    first = best_result(original.history[:epochs], study.metric)
    second = best_result(other.history[:epochs], study.metric)
    assert first is not None
    assert second is not None
    return Pair(other.config.data_plan, epochs, first, second)


def balance(study: ReportedStudy) -> Section:
    """The same settings under each data plan, or all trials by plan."""
    if not study.scored:
        return Section(TITLE, "No trial has finished an epoch yet.")
    found = pairs(study)
    by_plan: dict[str, list[float]] = {}
    for each in sorted(study.scored, key=lambda each: PLAN_NAMES.index(each.config.data_plan)):
        values = by_plan.setdefault(each.config.data_plan, [])
        values.append(study.result(each).metrics[study.metric])
    note = NOTE_ON_PAIRS + NOTE if found else NOTE
    words = pair_words(found, study.metric) if found else plan_words(by_plan, study.metric)
    return Section(TITLE, words, note, [_picture(by_plan, found, study.metric)])


def pair_words(found: list[Pair], metric: str) -> str:
    """What each plan changed at the same settings."""
    told = []
    for plan in dict.fromkeys(each.plan for each in found):
        own = [each for each in found if each.plan == plan]
        changes = [difference(each.other, each.original, metric) for each in own]
        epochs = ", ".join(str(each.epochs) for each in own)
        if len(own) == 1:
            told.append(
                f"{plan} {_signed(changes[0])} (one pair, over {counted(own[0].epochs, 'epoch')})"
            )
        else:
            values = [each.value for each in changes]
            change = f"{np.mean(values):+.3f} ± {spread(values):.3f}"
            told.append(f"{plan} {change} ({len(own)} pairs, over {epochs} epochs)")
    return (
        f"Against the original data, with all other settings the same, the {label(metric)} "
        f"changes so: {'; '.join(told)}."
    )


def _signed(change: Estimate) -> str:
    if change.low is None or change.high is None:
        return f"{change.value:+.3f}"
    return f"{change.value:+.3f} [{change.low:+.3f} to {change.high:+.3f}]"


def plan_words(by_plan: dict[str, list[float]], metric: str) -> str:
    """The mean of each plan's trials, where no two trials compare better."""
    told = "; ".join(
        f"{plan} {mean_and_spread(values)} ({len(values)})" for plan, values in by_plan.items()
    )
    return (
        "No two trials differ in their data plan alone, so here is the "
        f"{label(metric)} of all by plan, mean and standard deviation (trials): {told}."
    )


def _picture(by_plan: dict[str, list[float]], found: list[Pair], metric: str) -> Picture:
    place = {plan: index for index, plan in enumerate(by_plan)}

    def paint(axes: "list[Axes]") -> None:
        rng = np.random.default_rng(0)
        for plan, values in by_plan.items():
            aside = place[plan] + rng.uniform(-0.12, 0.12, len(values))
            axes[0].plot(aside, values, "o", color=PALE, markersize=4)
            axes[0].errorbar(
                place[plan] + 0.24, np.mean(values), spread(values), fmt="_", color="0.3", capsize=3
            )
        for index, pair in enumerate(found):
            axes[0].plot(
                [place[PLAIN], place[pair.plan]],
                [pair.original.metrics[metric], pair.other.metrics[metric]],
                marker=MARKERS[index % len(MARKERS)],
                linestyle=("-", "--", ":", "-.")[index % 4],
                color=f"C{index % 8}",
            )
        axes[0].set_xticks(range(len(place)), list(place))
        axes[0].set_xlim(-0.5, len(place) - 0.5)
        axes[0].set_ylabel(f"validation {label(metric)}")
        axes[0].set_xlabel("data plan")

    alt = f"{label(metric)} by data plan: " + ", ".join(
        f"{plan} {mean_and_spread(values)} over {len(values)}" for plan, values in by_plan.items()
    )
    return draw("balance", alt, paint, height=2.8)
