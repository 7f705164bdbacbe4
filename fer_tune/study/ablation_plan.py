"""The plan of an ablation: which changes it takes apart, and which trials this needs."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Annotated, Any

from pydantic import Field

from fer_tune.scoring.metrics import EpochResult, metric_direction
from fer_tune.study.records.trial_record import TrialRecord, format_value
from fer_tune.study.search_space.parameters import Point, StrictModel
from fer_tune.trial_config import BASELINE

SPACE_NAME = "ablation"  # of every study that is an ablation
# Trial N of a search trains with seed number N. A best trial may owe its rank to its seed, so an
# ablation trains with seeds that no trial of a search has.
FIRST_SEED_NUMBER = 1_000_000

_NAMES = {"self_distillation": "self-distillation"}
SHAPE_PARAMETERS = ("depth", "width", "convolutions", "residual", "head", "hidden_1", "hidden_2")

# Indices of changes. A configuration is the baseline with a subset of the changes.
Subset = frozenset[int]


class Ablation(StrictModel):
    """What an ablation takes apart: the changes from the baseline to a trial of another study.

    study, trial: name of this study, and the trial's number.
    changes: the trial's values of the parameters of each change.
    seeds: number of seeds that train each configuration.
    """

    study: str
    trial: int
    changes: Annotated[tuple[Point, ...], Field(min_length=1)]
    seeds: Annotated[int, Field(ge=1)]

    @property
    def everything(self) -> Subset:
        """The subset of all changes: the configuration of the trial."""
        return frozenset(range(len(self.changes)))

    def name_first_subsets(self) -> dict[Subset, str]:
        """Return the configurations that need no result of others, in their order, with names.

        They are the baseline, all changes, all without each, and the baseline with each.
        """
        ends = {frozenset[int](): "baseline", self.everything: "all changes"}
        changes = [(frozenset({i}), self.name_change(i)) for i in range(len(self.changes))]
        without = {self.everything - one: f"without {name}" for one, name in changes}
        # With few changes, a configuration may be two of these. The last name counts.
        return ends | without | {one: f"with {name}" for one, name in changes} | ends

    def count_trials(self) -> int:
        """Return the number of trials, with those of the path (see `list_planned_trials`)."""
        # The path has steps of its own from the second to the last but two.
        return (len(self.name_first_subsets()) + max(0, len(self.changes) - 3)) * self.seeds

    def list_first_points(self) -> list[Point]:
        """Return the parameters of the configurations of `name_first_subsets`, in their order."""
        return [self.build_point(subset) for subset in self.name_first_subsets()]

    def build_point(self, subset: Subset) -> Point:
        """Return all parameters of a configuration that some change has."""
        return {
            name: value if index in subset else getattr(BASELINE, name)
            for index, change in enumerate(self.changes)
            for name, value in change.items()
        }

    def name_change(self, index: int) -> str:
        """Return a short name of a change, such as `schedule and learning rate`."""
        names = [_NAMES.get(name, name.replace("_", " ")) for name in self.changes[index]]
        if len(names) > 1 and set(self.changes[index]) <= set(SHAPE_PARAMETERS):
            return "network shape"
        return " and ".join(filter(None, [", ".join(names[:-1]), names[-1]]))

    def describe_change(self, index: int) -> str:
        """Return what a change changes: `depth 3 to 4, width 32 to 48`."""
        return ", ".join(
            f"{name} {format_value(getattr(BASELINE, name))} to {format_value(value)}"
            for name, value in self.changes[index].items()
        )


@dataclass(frozen=True)
class PlannedTrial:
    """A trial of an ablation.

    name: for people.
    subset: the changes that it has.
    repetition: index of its seed; trials of the same seed have the same random numbers.
    """

    number: int
    name: str
    subset: Subset
    repetition: int

    @property
    def seed_number(self) -> int:
        """The number from which the seed of its training follows; see `derive_seed`."""
        return FIRST_SEED_NUMBER + self.repetition


def list_planned_trials(
    ablation: Ablation, metric: str, records: Sequence[TrialRecord]
) -> list[PlannedTrial]:
    """Return the trials that are known so far, by number.

    The first seed trains the first configurations. Once all of them have ended, the path is known.
    It leads from the baseline to all changes, and adds them in the order of `rank_changes`. Then
    the first seed trains the path, and each further seed trains all configurations. So seeds can
    be added later.

    metric: of the study; decides the order.
    records: the trials so far.
    """
    first = ablation.name_first_subsets()
    planned = _plan_seed(0, first)
    ended = {record.number for record in records if record.has_final_status}
    if not {trial.number for trial in planned} <= ended:
        return planned
    results = collect_results(metric, planned, records)
    path = list_path(rank_changes(ablation, metric, results))
    steps = {
        after: f"path {len(after)}: + {ablation.name_change(min(after - before))}"
        for before, after in pairwise(path)
        if after not in first
    }
    return [trial for seed in range(ablation.seeds) for trial in _plan_seed(seed, first | steps)]


def list_missing_configs(
    ablation: Ablation, metric: str, records: Sequence[TrialRecord]
) -> list[dict[str, Any]]:
    """Return the planned trials that have not ended, as `train_trial` has them but for `gpus`."""
    ended = {record.number for record in records if record.has_final_status}
    return [
        {
            "number": trial.number,
            "trial": ablation.build_point(trial.subset),
            "name": trial.name,
            "seed_number": trial.seed_number,
        }
        for trial in list_planned_trials(ablation, metric, records)
        if trial.number not in ended
    ]


def _plan_seed(repetition: int, named: Mapping[Subset, str]) -> list[PlannedTrial]:
    """Return a trial for each configuration with the seed of this index."""
    seed = f", seed {repetition + 1}" if repetition else ""
    return [
        PlannedTrial(number, f"{number:03d} {name}{seed}", subset, repetition)
        for number, (subset, name) in enumerate(named.items(), start=repetition * len(named))
    ]


def list_path(order: Iterable[int]) -> list[Subset]:
    """Return the configurations of the path that adds changes in this order to the baseline."""
    path: list[Subset] = [frozenset()]
    for index in order:
        path.append(path[-1] | {index})
    return path


# The best epochs of completed trials, by configuration and seed.
Results = Mapping[Subset, Mapping[int, EpochResult]]


def collect_results(
    metric: str, planned: Sequence[PlannedTrial], records: Sequence[TrialRecord]
) -> Results:
    """Return the best epoch by the metric of each completed trial of an ablation."""
    by_number = {record.number: record for record in records}
    results: dict[Subset, dict[int, EpochResult]] = {}
    for trial in planned:
        record = by_number.get(trial.number)
        # Earlier versions numbered the trials of several seeds in another order.
        if not record or record.name != trial.name:
            continue
        if best := record.find_result(metric):
            results.setdefault(trial.subset, {})[trial.repetition] = best
    return results


def rank_changes(ablation: Ablation, metric: str, results: Results) -> list[int]:
    """Return the changes, the one with the best result alone first; those without one come last.

    Only the first seed counts, so that further seeds do not change the path.
    """
    sign = -1 if metric_direction(metric) == "max" else 1

    def sort_key(index: int) -> tuple[bool, float]:
        alone = results.get(frozenset({index}), {}).get(0)
        return alone is None, sign * alone.metrics[metric] if alone else 0.0

    return sorted(range(len(ablation.changes)), key=sort_key)
