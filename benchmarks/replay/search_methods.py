"""Search methods that are compared: pairs of a searcher and a scheduler."""

from collections.abc import Callable
from functools import partial
from types import SimpleNamespace
from typing import Literal

from optuna.samplers import RandomSampler
from ray.tune.schedulers import ASHAScheduler, TrialScheduler
from ray.tune.search.optuna import OptunaSearch

from benchmarks.replay.curve_predictor import CurvePredictor
from benchmarks.replay.study_simulator import METRIC, SchedulerProtocol, SearcherProtocol
from fer_tune.defaults import GRACE, REDUCTION, SAMPLER, SamplerName, SchedulerName
from fer_tune.study.asha import Asha, make_asha
from fer_tune.study.records.settings import StudySettings
from fer_tune.study.records.trial_record import BASELINE_TRIAL, TrialRecord
from fer_tune.study.tune.searcher import StudySearcher
from fer_tune.trial_config import BASELINE

# As in Ray's guide "How to use Tune with PyTorch".
GUIDES_GRACE, GUIDES_REDUCTION = 1, 2

SearchPair = tuple[SearcherProtocol, SchedulerProtocol]


class RaySchedulerAdapter:
    """Adapter of a Ray scheduler that stops trials, for `StudySimulator`."""

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


def make_stock_search(
    table: CurvePredictor, seed: int, grace: int = GUIDES_GRACE, reduction: int = GUIDES_REDUCTION
) -> SearchPair:
    """Make the stock combination: Ray's OptunaSearch by default, with Ray's ASHA."""
    searcher = OptunaSearch(table.space.suggest_point, metric=METRIC, mode="max", seed=seed)
    return searcher, _make_ray_asha(table, grace, reduction)


def make_random_search(table: CurvePredictor, seed: int) -> SearchPair:
    """Make random search without early stopping."""
    return _make_random_searcher(table, seed), make_asha(make_settings(table, seed, "none"))


def make_random_asha(table: CurvePredictor, seed: int) -> SearchPair:
    """Make random search with Ray's ASHA."""
    asha = _make_ray_asha(table, GUIDES_GRACE, GUIDES_REDUCTION)
    return _make_random_searcher(table, seed), asha


def make_our_search(
    table: CurvePredictor,
    seed: int,
    scheduler: SchedulerName = "asha",
    sampler: SamplerName = SAMPLER,
) -> tuple[StudySearcher, Asha]:
    """Make the search of fer_tune by default, without the baseline and first trials.

    The compared systems do not get these trials.
    """
    settings = make_settings(table, seed, scheduler).model_copy(update={"sampler": sampler})
    asha = make_asha(settings)
    # A failed baseline is not proposed again.
    baseline = TrialRecord(BASELINE_TRIAL, "", BASELINE, ending="failed")
    return StudySearcher(settings, [baseline], asha=asha), asha


def make_our_random_search(
    table: CurvePredictor, seed: int, scheduler: SchedulerName
) -> SearchPair:
    """Make the search of fer_tune with a random sampler."""
    searcher, asha = make_our_search(table, seed, scheduler)
    searcher.study.sampler = RandomSampler(seed)
    return searcher, asha


SYSTEMS: dict[str, Callable[[CurvePredictor, int], SearchPair]] = {
    "random": make_random_search,
    "random + ASHA": make_random_asha,
    "OptunaSearch + ASHA": make_stock_search,
    "OptunaSearch + ASHA, reduction 4": partial(make_stock_search, reduction=4),
    "OptunaSearch + ASHA, our rungs": partial(make_stock_search, grace=GRACE, reduction=REDUCTION),
    "ours, asha": make_our_search,
    "ours, asha, tpe": partial(make_our_search, sampler="tpe"),
    "ours, asha-promotion": partial(make_our_search, scheduler="asha-promotion"),
    "ours, asha-promotion, tpe": partial(
        make_our_search, scheduler="asha-promotion", sampler="tpe"
    ),
    "ours, hyperband": partial(make_our_search, scheduler="hyperband"),
    "random, asha-promotion": partial(make_our_random_search, scheduler="asha-promotion"),
}
STOCK = "OptunaSearch + ASHA"


def make_settings(table: CurvePredictor, seed: int, scheduler: SchedulerName) -> StudySettings:
    """Make settings of a study over the table, with more trials than any budget of epochs.

    The space has no constraints, because the compared systems do not know them.
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


def _make_random_searcher(table: CurvePredictor, seed: int) -> SearcherProtocol:
    searcher: SearcherProtocol = OptunaSearch(
        table.space.suggest_point, metric=METRIC, mode="max", sampler=RandomSampler(seed)
    )
    return searcher


def _make_ray_asha(table: CurvePredictor, grace: int, reduction: int) -> SchedulerProtocol:
    return RaySchedulerAdapter(
        ASHAScheduler(
            metric=METRIC,
            mode="max",
            max_t=table.epochs,
            grace_period=grace,
            reduction_factor=reduction,
        )
    )
