"""The result of an ablation: what each change brings, and what may be chance."""

import csv
import io
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean
from typing import Literal

import numpy as np

from fer_tune.scoring.metric_estimates import Estimate, estimate_metric
from fer_tune.scoring.significance import ConfidenceInterval
from fer_tune.study.ablation_plan import (
    Ablation,
    Results,
    Subset,
    collect_results,
    list_path,
    list_planned_trials,
    rank_changes,
)
from fer_tune.study.ranking import SCORE_METRIC
from fer_tune.study.records.trial_record import TrialRecord

# alone: the baseline with the change is compared with the baseline. removed: all changes are
# compared with all but this one. path: a step of the path is compared with the step before.
Comparison = Literal["alone", "removed", "path"]

# A metric by configuration and seed, with its interval over the faces.
_Estimates = Mapping[Subset, Mapping[int, Estimate]]


@dataclass(frozen=True)
class Effect:
    """How much a metric grows by a change: the mean difference over seeds.

    seed_error: half of its 95 % interval over seeds; None for one seed.
    faces_error: half of its 95 % interval over validation faces; None if it is not known.
    seeds: number of seeds.
    """

    value: float
    seed_error: float | None
    faces_error: float | None
    seeds: int

    @property
    def error(self) -> float:
        """Half of its 95 % interval over seeds and faces."""
        return math.hypot(self.seed_error or 0.0, self.faces_error or 0.0)

    @property
    def interval(self) -> ConfidenceInterval:
        """Its 95 % interval over seeds and faces."""
        return ConfidenceInterval(self.value - self.error, self.value + self.error)

    @property
    def may_be_chance(self) -> bool:
        """Whether the interval contains 0, or no interval is known."""
        return abs(self.value) <= self.error or not self.error

    @property
    def exceeds_seeds(self) -> bool:
        """Whether the seeds alone do not explain the effect."""
        return self.seed_error is not None and abs(self.value) > self.seed_error


@dataclass(frozen=True, eq=False)
class AblationOutcome:
    """The effects of the changes of an ablation, as far as its trials are completed.

    metrics: the study's metric and the gap; macro F1 if the metric is the gap.
    order: the changes in the order of the path.
    is_order_final: whether all trials that decide the order have ended.
    means: by metric and configuration, means over its seeds.
    effects: by change, comparison and metric; without those whose trials are missing.
    totals: those of all changes together, by metric.
    freedom: degrees of freedom of the spread over seeds; 0 for one seed.
    failed: names of the trials that failed.
    """

    ablation: Ablation
    metrics: tuple[str, ...]
    order: Sequence[int]
    is_order_final: bool
    means: Mapping[str, Mapping[Subset, float]]
    effects: Mapping[tuple[int, Comparison, str], Effect]
    totals: Mapping[str, Effect]
    freedom: int
    failed: Sequence[str]

    @property
    def path(self) -> list[Subset]:
        """The configurations from the baseline to all changes."""
        return list_path(self.order)


def measure_effects(
    ablation: Ablation, metric: str, records: Sequence[TrialRecord]
) -> AblationOutcome:
    """Return what each change brings.

    The spread over seeds is pooled. Each configuration and each seed has its own mean, and the
    variance of what remains is the same for all. An effect's interval is Student's t times its
    standard error. The influence of the faces is combined with it as independent.

    metric: of the study.
    records: its trials.
    """
    planned = list_planned_trials(ablation, metric, records)
    results = collect_results(metric, planned, records)
    metrics = tuple(dict.fromkeys([metric, SCORE_METRIC if metric == "gap" else "gap"]))
    order = rank_changes(ablation, metric, results)
    effects: dict[tuple[int, Comparison, str], Effect] = {}
    totals, means = dict[str, Effect](), dict[str, dict[Subset, float]]()
    for name in metrics:
        estimates = _estimate_results(results, name)
        means[name] = {
            subset: fmean(each.value for each in own.values()) for subset, own in estimates.items()
        }
        error, freedom = _estimate_pooled_error(ablation.seeds, estimates)
        for index, comparison, before, after in _list_comparisons(ablation, order):
            if effect := _estimate_effect(estimates, before, after, error):
                effects[index, comparison, name] = effect
        if total := _estimate_effect(estimates, frozenset(), ablation.everything, error):
            totals[name] = total
    return AblationOutcome(
        ablation=ablation,
        metrics=metrics,
        order=order,
        is_order_final=len(planned) == ablation.count_trials(),
        means=means,
        effects=effects,
        totals=totals,
        freedom=freedom,
        failed=[planned[record.number].name for record in records if record.ending == "failed"],
    )


def _estimate_results(results: Results, metric: str) -> _Estimates:
    return {
        subset: {seed: estimate_metric(result, metric) for seed, result in own.items()}
        for subset, own in results.items()
    }


def _list_comparisons(
    ablation: Ablation, order: Sequence[int]
) -> list[tuple[int, Comparison, Subset, Subset]]:
    """Return each change and comparison with the configurations without and with the change."""
    everything, path = ablation.everything, list_path(order)
    comparisons: list[tuple[int, Comparison, Subset, Subset]] = []
    for place, index in enumerate(order):
        one = frozenset({index})
        comparisons += [
            (index, "alone", frozenset(), one),
            (index, "removed", everything - one, everything),
            (index, "path", path[place], path[place + 1]),
        ]
    return comparisons


def _estimate_pooled_error(seeds: int, estimates: _Estimates) -> tuple[float | None, int]:
    """Return half of the 95 % interval of the difference of two trainings over seeds.

    The second value is its degrees of freedom. Returns None and 0 if fewer than two configurations
    have a result of each of several seeds.
    """
    from scipy.stats import t

    whole = [own for own in estimates.values() if len(own) == seeds]
    values = np.array([[own[seed].value for seed in range(seeds)] for own in whole])
    if len(values) < 2 or seeds < 2:
        return None, 0
    by_configuration, by_seed = values.mean(axis=1, keepdims=True), values.mean(axis=0)
    rest = values - by_configuration - by_seed + values.mean()
    freedom = (len(values) - 1) * (seeds - 1)
    deviation = math.sqrt(float((rest**2).sum()) / freedom)
    return float(t.ppf(0.975, freedom)) * deviation * math.sqrt(2), freedom


def _estimate_effect(
    estimates: _Estimates, before: Subset, after: Subset, error: float | None
) -> Effect | None:
    """Return the difference of two configurations, paired by seed; None without a common seed.

    error: see `_estimate_pooled_error`.
    """
    first, second = estimates.get(before, {}), estimates.get(after, {})
    seeds = sorted(first.keys() & second.keys())
    if not seeds:
        return None
    changes = [second[seed] - first[seed] for seed in seeds]
    # All seeds have the same faces, so more seeds do not reduce the influence of the faces.
    lengths = [fmean(change.error_bars) for change in changes if change.interval]
    faces_error = fmean(lengths) if lengths else None
    seed_error = None if error is None else error / math.sqrt(len(seeds))
    return Effect(fmean(change.value for change in changes), seed_error, faces_error, len(seeds))


def format_ablation_csv(outcome: AblationOutcome) -> str:
    """Return the effects as CSV, a row for each change, comparison and metric."""
    text = io.StringIO()
    columns = ["change", "parameters", "comparison", "metric", "effect", "low", "high"]
    columns += ["seed_error", "faces_error", "seeds", "may_be_chance"]
    table = csv.writer(text, lineterminator="\n")
    table.writerow(columns)
    for (index, comparison, metric), effect in outcome.effects.items():
        names = outcome.ablation.name_change(index), outcome.ablation.describe_change(index)
        errors = effect.seed_error, effect.faces_error, effect.seeds
        row = [*names, comparison, metric, effect.value, *effect.interval, *errors]
        table.writerow([*row, effect.may_be_chance])
    return text.getvalue()
