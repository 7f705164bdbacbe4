"""The searcher of a study: Ray Tune asks it for trials, and Optuna proposes them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import optuna
from optuna.samplers import BaseSampler, TPESampler
from optuna.trial import TrialState
from ray.tune.search import Searcher

from fer_tune.scoring.metrics import is_better, metric_direction
from fer_tune.study.asha import Asha, make_asha
from fer_tune.study.gp_sampler import StudyGpSampler
from fer_tune.study.optuna_study import (
    WINDOW_SIZES,
    WindowedStorage,
    create_study,
    to_frozen_trials,
)
from fer_tune.study.records.settings import StudySettings
from fer_tune.study.records.trial_record import BASELINE_TRIAL, TrialRecord
from fer_tune.study.search_space.parameters import Point
from fer_tune.study.tune.failure import TrialFailure


@dataclass
class ActiveTrial:
    """A trial that was proposed and has not ended.

    config: for the worker; see `train_trial`.
    optuna: the trial in Optuna.
    epoch: the last epoch that Optuna knows.
    best, gap: the best value of the metric so far, and the gap in that epoch.
    """

    config: dict[str, Any]
    optuna: optuna.Trial
    epoch: int = 0
    best: float | None = None
    gap: float | None = None


class StudySearcher(Searcher):  # type: ignore[misc]
    """A Ray searcher that proposes a study's trials with Optuna, and continues a resumed study.

    It first proposes the unfinished trials of an earlier run again, under their numbers. Then come
    the first trials of the space, then proposals of Optuna, which knows all trials that have ended.

    Ray's OptunaSearch reports every trial as COMPLETE with its last value. This searcher reports a
    completed trial with its best epoch's value, and a stopped one as PRUNED with the values of its
    epochs. A paused trial counts as pruned until the scheduler promotes it. A trial that ran out of
    memory on a fraction of a GPU is proposed again with a whole GPU. If the space limits the gap,
    Optuna also learns by how much a trial exceeds the limit.

    previous_trials: of the earlier runs of the study.
    gpus: GPUs of one trial, may be a fraction.
    asha: the same as the scheduler's; it knows which previous trials are paused.
    """

    def __init__(
        self,
        settings: StudySettings,
        previous_trials: Sequence[TrialRecord] = (),
        gpus: float = 0,
        asha: Asha | None = None,
    ) -> None:
        super().__init__(settings.metric, metric_direction(settings.metric))
        self._space, self._epochs, self._gpus = settings.space, settings.epochs, gpus
        self._asha = asha or make_asha(settings)
        active = [record for record in previous_trials if not record.has_final_status]
        paused = [record for record in active if record.number in self._asha.paused]
        self._unfinished = [record for record in active if record.number not in self._asha.paused]
        # After a kill, a trial may be missing although a later one is on record.
        known = {record.number for record in previous_trials}
        self._numbers = sorted(set(range(settings.trials)) - known, reverse=True)
        self._running: dict[str, ActiveTrial] = {}  # by Ray's id
        self._paused: dict[int, ActiveTrial] = {}  # by number
        self._out_of_memory: list[ActiveTrial] = []
        self._storage = WindowedStorage(WINDOW_SIZES[settings.sampler])
        sampler = _make_sampler(settings, len(previous_trials))
        self.study = create_study(settings.metric, sampler=sampler, storage=self._storage)
        for record in (*paused, *self._unfinished):
            self.study.enqueue_trial(self._space.extract_point(record.config.model_dump()))
        for number, point in enumerate(settings.list_untried_first_points()):
            if number not in known:
                self.study.enqueue_trial(point)
        ended = to_frozen_trials(previous_trials, self.metric, self._space, settings.known)
        self.study.add_trials(ended)
        for record in paused:
            self._pause_trial(self._propose_trial(record))

    def suggest(self, trial_id: str) -> dict[str, Any] | str | None:
        """Return the config of the next trial for its worker; see `train_trial`.

        None if a running trial may still be proposed again or let a paused trial resume, else
        FINISHED if no trial is left.
        """
        if not self._unfinished and (number := self._asha.promote()) is not None:
            trial = self._paused.pop(number)
            self._storage.mark_running(trial.optuna)
        elif self._unfinished or self._numbers:
            trial = self._propose_trial(self._unfinished.pop(0) if self._unfinished else None)
        elif self._out_of_memory:
            # Last, as it occupies a slot while Ray waits for an empty GPU.
            trial = self._out_of_memory.pop(0)
            trial.config = trial.config | {"gpus": 1.0}
        else:
            shares = [trial.config["gpus"] for trial in self._running.values()]
            may_continue = self._asha.can_pause or any(0 < share < 1 for share in shares)
            return None if shares and may_continue else str(Searcher.FINISHED)
        self._running[trial_id] = trial
        return trial.config

    def _propose_trial(self, previous: TrialRecord | None) -> ActiveTrial:
        optuna_trial = self.study.ask()
        point = self._space.suggest_point(optuna_trial)
        number = previous.number if previous else self._numbers.pop()
        fixed = {} if number == BASELINE_TRIAL else self._space.fixed
        config = {"number": number, "trial": {**fixed, **point}, "gpus": self._gpus}
        trial = ActiveTrial(config, optuna_trial)
        for result in previous.history if previous else ():
            self._report_epoch(trial, result.epoch, result.metrics)
        return trial

    def on_trial_result(self, trial_id: str, result: dict[str, Any]) -> None:
        metrics = result if self._space.max_gap is None else result["result"].metrics
        self._report_epoch(self._running[trial_id], result["epoch"], metrics)

    def on_trial_complete(
        self, trial_id: str, result: dict[str, Any] | None = None, error: bool = False
    ) -> None:
        failure: TrialFailure | None = (result or {}).get("failure")
        if result and not failure:
            # Ray does not pass on the result at which it stops a trial.
            self.on_trial_result(trial_id, result)
        trial = self._running.pop(trial_id)
        if failure and failure.is_retryable(trial.config):
            self._out_of_memory.append(trial)
        elif trial.config["number"] in self._asha.paused:
            self._pause_trial(trial)
        else:
            for name, value in self._space.evaluate_constraints(trial.gap).items():
                trial.optuna.set_constraint(name, value)
            if result and result["epoch"] >= self._epochs:
                self.study.tell(trial.optuna, trial.best)
            else:
                is_failed = error or failure is not None
                state = TrialState.FAIL if is_failed else TrialState.PRUNED
                self.study.tell(trial.optuna, state=state)

    def _pause_trial(self, trial: ActiveTrial) -> None:
        self._paused[trial.config["number"]] = trial
        self._storage.mark_paused(trial.optuna, self._space.evaluate_constraints(trial.gap))

    def _report_epoch(self, trial: ActiveTrial, epoch: int, metrics: Mapping[str, float]) -> None:
        if epoch <= trial.epoch:
            return
        trial.epoch, value = epoch, metrics[self.metric]
        trial.optuna.report(value, epoch)
        if is_better(self.metric, value, trial.best):
            trial.best, trial.gap = value, metrics.get("gap")


def preview_proposals(settings: StudySettings, count: int) -> list[Point]:
    """Return the points that the study's sampler proposes first, after the prior trials."""
    study = create_study(settings.metric, sampler=_make_sampler(settings, 0))
    study.add_trials(to_frozen_trials((), settings.metric, settings.space, settings.known))
    return [settings.space.suggest_point(study.ask()) for _ in range(count)]


def _make_sampler(settings: StudySettings, started_trials: int) -> BaseSampler:
    # With the same seed, a resumed study would first repeat its proposals; so would a study with
    # prior trials, if those had the same seed.
    seed = settings.seed + started_trials + len(settings.known)
    startup_trials = min(10, max(3, settings.trials // 4))
    if settings.sampler == "gp":
        return StudyGpSampler(settings.space, seed, startup_trials)
    # Each parameter has its own model, Optuna's default before 5.0. With some dozens of trials in
    # up to 16 dimensions, the joint model stays near the first good trials (benchmarks/README.md).
    return TPESampler(seed=seed, n_startup_trials=startup_trials, multivariate=False)
