"""The searches that are compared: what proposes trials, and what stops them."""

from collections.abc import Callable
from functools import partial
from types import SimpleNamespace
from typing import Literal

from optuna.samplers import BaseSampler, RandomSampler
from ray.tune.schedulers import ASHAScheduler, TrialScheduler
from ray.tune.search.optuna import OptunaSearch

from benchmarks.replay.curve_table import Table
from benchmarks.replay.study_simulator import METRIC, Judge, Search
from fer_tune.defaults import GRACE, REDUCTION, SchedulerName
from fer_tune.study.asha import Asha, make_asha
from fer_tune.study.records.settings import StudySettings
from fer_tune.study.records.trial_record import BASELINE_TRIAL, TrialRecord
from fer_tune.study.tune.searcher import StudySearcher
from fer_tune.trial_config import BASELINE

# As in Ray's guide "How to use Tune with PyTorch".
GUIDES_GRACE, GUIDES_REDUCTION = 1, 2

Parts = tuple[Search, Judge]


class RaysJudge:
    """A scheduler of Ray's that stops trials, asked as the clock asks."""

    def __init__(self, scheduler: TrialScheduler) -> None:
        self._scheduler = scheduler

    def decide(self, number: int, epoch: int, value: float) -> Literal["continue", "pause", "stop"]:
        trial = SimpleNamespace(trial_id=str(number))
        if epoch == 1:
            self._scheduler.on_trial_add(None, trial)
        result = {"training_iteration": epoch, METRIC: value}
        decision = self._scheduler.on_trial_result(None, trial, result)
        if decision != TrialScheduler.STOP:
            return "continue"
        self._scheduler.on_trial_complete(None, trial, result)
        return "stop"


def stock(
    table: Table, seed: int, grace: int = GUIDES_GRACE, reduction: int = GUIDES_REDUCTION
) -> Parts:
    """Ray's OptunaSearch, as it comes, with Ray's ASHA."""
    search = OptunaSearch(table.space.suggest_point, metric=METRIC, mode="max", seed=seed)
    return search, _asha(table, grace, reduction)


def random(table: Table, seed: int) -> Parts:
    """Random search: every trial to its full length."""
    return _sampled(table, RandomSampler(seed)), make_asha(settings(table, seed, "none"))


def random_asha(table: Table, seed: int) -> Parts:
    return _sampled(table, RandomSampler(seed)), _asha(table, GUIDES_GRACE, GUIDES_REDUCTION)


def ours(table: Table, seed: int, scheduler: SchedulerName = "asha") -> tuple[StudySearcher, Asha]:
    """The search and the rungs of a study as it runs by default, without the paper's trial.

    That trial and the space's first ones are left out since the others do not get them either.
    """
    chosen = settings(table, seed, scheduler)
    paper = TrialRecord(BASELINE_TRIAL, "", BASELINE, ending="failed")  # so it is not given again
    rungs = make_asha(chosen)
    return StudySearcher(chosen, [paper], asha=rungs), rungs


def ours_at_random(table: Table, seed: int, scheduler: SchedulerName) -> Parts:
    """Ours, but for the sampler."""
    search, rungs = ours(table, seed, scheduler)
    search._ot_study.sampler = RandomSampler(seed)
    return search, rungs


SYSTEMS: dict[str, Callable[[Table, int], Parts]] = {
    "random": random,
    "random + ASHA": random_asha,
    "OptunaSearch + ASHA": stock,
    "OptunaSearch + ASHA, reduction 4": partial(stock, reduction=4),
    "OptunaSearch + ASHA, our rungs": partial(stock, grace=GRACE, reduction=REDUCTION),
    "ours, asha": ours,
    "ours, asha-promotion": partial(ours, scheduler="asha-promotion"),
    "ours, hyperband": partial(ours, scheduler="hyperband"),
    "random, asha-promotion": partial(ours_at_random, scheduler="asha-promotion"),
}
STOCK = "OptunaSearch + ASHA"


def settings(table: Table, seed: int, scheduler: SchedulerName) -> StudySettings:
    """A study over the table with all else by default, and more trials than fit into any budget.

    Without the space's constraints, of which the others know nothing.
    """
    return StudySettings(
        name="replay",
        space_name="replay",
        space=table.space.model_copy(update={"first_trials": (), "constraints": None}),
        data=None,
        skip_bad=False,
        faces_hash="",
        train_faces=None,
        trials=100_000,
        epochs=table.epochs,
        scheduler=scheduler,
        grace=GRACE,
        reduction=REDUCTION,
        metric=METRIC,
        seed=seed,
        tracking_uri=None,
    )


def _sampled(table: Table, sampler: BaseSampler) -> Search:
    search: Search = OptunaSearch(
        table.space.suggest_point, metric=METRIC, mode="max", sampler=sampler
    )
    return search


def _asha(table: Table, grace: int, reduction: int) -> Judge:
    return RaysJudge(
        ASHAScheduler(
            metric=METRIC,
            mode="max",
            max_t=table.epochs,
            grace_period=grace,
            reduction_factor=reduction,
        )
    )
