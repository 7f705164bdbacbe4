"""Where trials come from: Optuna's proposals, numbered, and what Optuna is told of them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import optuna
from optuna.samplers import TPESampler
from ray.tune.search import Searcher
from ray.tune.search.optuna import OptunaSearch

from fer_tune.scoring.metrics import is_better, metric_direction
from fer_tune.study.asha import Asha, make_asha
from fer_tune.study.optuna_storage import WindowedStorage
from fer_tune.study.optuna_trials import to_frozen_trials
from fer_tune.study.records.settings import StudySettings
from fer_tune.study.records.trial_record import BASELINE_TRIAL, TrialRecord
from fer_tune.study.search_space.parameters import Point
from fer_tune.study.tune.failure import TrialFailure


@dataclass
class _TrialProgress:
    """What Optuna was told of a running trial.

    epoch: the last.
    best, gap: the best value so far, and the gap in that epoch.
    """

    epoch: int = 0
    best: float | None = None
    gap: float | None = None


class StudySearcher(OptunaSearch):  # type: ignore[misc]
    """Ray's OptunaSearch, going on where the trials in `earlier` left the study.

    First it gives the trials that were not over once more, under their own numbers; then the
    space's first trials that were not reached; then new proposals, made in the knowledge of
    every trial that is over.

    OptunaSearch tells every trial as complete with its last value. Here, a trial of full length
    is told with its best epoch's, and one that was stopped as pruned, so that the sampler takes
    it for no more than the epochs that it had. One for which a part of a GPU was too little is
    not told at all: it is given once more, with a whole one. One that is paused is shown to the
    sampler as pruned until the rungs name it: then it is given once more.

    Where the space has a largest gap, each is also told with how far above it the trial was, so
    that the sampler takes those below for the good ones.

    gpus: that a trial gets.
    rungs: that the study's scheduler decides by; they know which of the earlier trials wait.
    """

    def __init__(
        self,
        settings: StudySettings,
        previous_trials: Sequence[TrialRecord] = (),
        gpus: float = 0,
        asha: Asha | None = None,
    ) -> None:
        space = settings.space
        self._rungs = asha or make_asha(settings)
        waits = self._rungs.paused
        paused = [record for record in previous_trials if record.number in waits]
        self._open = [
            each
            for each in previous_trials
            if not each.has_final_status and each.number not in waits
        ]
        # A driver killed early may have told of a trial, but not yet of one given before it.
        taken = {record.number for record in previous_trials}
        self._numbers = sorted(set(range(settings.trials)) - taken, reverse=True)
        self._whole_space, self._epochs, self._gpus = space, settings.epochs, gpus
        # By Ray's id of a running trial: what it was given.
        self._given: dict[str, dict[str, Any]] = {}
        self._again: list[str] = []  # the ids under which trials that are given again ran before
        # By the number of a paused trial: the id under which it ran before, and what it was given.
        self._paused: dict[int, tuple[str, dict[str, Any]]] = {}
        self._progress: dict[str, _TrialProgress] = {}  # by Ray's id of a trial
        self._left = settings.trials - len(previous_trials) + len(self._open)
        self._recent = WindowedStorage()
        optuna.logging.set_verbosity(optuna.logging.WARNING)
        super().__init__(
            space.suggest_point,
            metric=settings.metric,
            mode=metric_direction(settings.metric),
            points_to_evaluate=[
                *(space.extract_point(each.config.model_dump()) for each in (*paused, *self._open)),
                *(
                    each
                    for n, each in enumerate(settings.list_untried_first_points())
                    if n not in taken
                ),
            ],
            sampler=_make_sampler(settings, len(previous_trials)),
            storage=self._recent,
        )
        self._ot_study.add_trials(to_frozen_trials(previous_trials, settings))
        for record in paused:
            self._start_trial(name := f"paused {record.number}", record)
            self._pause_trial(name)

    def suggest(self, trial_id: str) -> dict[str, Any] | str | None:
        """What a worker gets for the next trial: see `train_trial`.

        None where a running trial may still have to be given again, or let a paused one go on;
        FINISHED where none may.
        """
        if not self._open and (number := self._rungs.promote()) is not None:
            before, given = self._paused.pop(number)
            self._recent.mark_running(self._ot_trials[before].number)
            return self._restart_trial(before, trial_id, given)
        if not self._left:
            if self._again:
                # Last: Ray waits with it for an empty GPU, and would hold it among those at once.
                before = self._again.pop(0)
                return self._restart_trial(
                    before, trial_id, self._given.pop(before) | {"gpus": 1.0}
                )
            waits = self._rungs.can_pause or any(
                0 < each["gpus"] < 1 for each in self._given.values()
            )
            return None if self._given and waits else str(Searcher.FINISHED)
        self._left -= 1
        return self._start_trial(trial_id, self._open.pop(0) if self._open else None)

    def _start_trial(self, trial_id: str, previous: TrialRecord | None) -> dict[str, Any]:
        proposal: Point = super().suggest(trial_id)
        if previous:
            number = previous.number
            for result in previous.history:
                self._report_epoch(trial_id, result.epoch, result.metrics)
        else:
            number = self._numbers.pop()
        fixed = {} if number == BASELINE_TRIAL else self._whole_space.fixed
        given = {"number": number, "trial": {**fixed, **proposal}, "gpus": self._gpus}
        self._given[trial_id] = given
        return given

    def _restart_trial(
        self, old_id: str, new_id: str, worker_config: dict[str, Any]
    ) -> dict[str, Any]:
        self._ot_trials[new_id] = self._ot_trials.pop(old_id)
        if old_id in self._progress:
            self._progress[new_id] = self._progress.pop(old_id)
        self._given[new_id] = worker_config
        return worker_config

    def on_trial_result(self, trial_id: str, result: dict[str, Any]) -> None:
        self._report_epoch(trial_id, result["epoch"], self._select_metrics(result))

    def _select_metrics(self, result: dict[str, Any]) -> Mapping[str, float]:
        return result if self._whole_space.max_gap is None else result["result"].metrics

    def on_trial_complete(
        self, trial_id: str, result: dict[str, Any] | None = None, error: bool = False
    ) -> None:
        failure: TrialFailure | None = (result or {}).get("failure")
        if failure and failure.is_retryable(self._given[trial_id]):
            self._again.append(trial_id)
            return
        if result and not failure:
            # Ray does not pass on the result at which it stops a trial.
            self.on_trial_result(trial_id, result)
        if self._given[trial_id]["number"] in self._rungs.paused:
            self._pause_trial(trial_id)
            return
        del self._given[trial_id]
        for name, value in self._evaluate_constraints(trial_id).items():
            self._ot_trials[trial_id].set_constraint(name, value)
        progress = self._progress.pop(trial_id, _TrialProgress())
        whole = result is not None and result.get("epoch", 0) >= self._epochs
        told = {self.metric: progress.best} if whole else None
        super().on_trial_complete(trial_id, told, error or failure is not None)

    def _pause_trial(self, trial_id: str) -> None:
        given = self._given.pop(trial_id)
        self._paused[given["number"]] = trial_id, given
        self._recent.mark_paused(
            self._ot_trials[trial_id].number, self._evaluate_constraints(trial_id)
        )

    def _evaluate_constraints(self, trial_id: str) -> dict[str, float]:
        """By how much the trial is above the largest gap, in its best epoch so far."""
        return self._whole_space.evaluate_constraints(
            self._progress.get(trial_id, _TrialProgress()).gap
        )

    def _report_epoch(self, trial_id: str, epoch: int, metrics: Mapping[str, float]) -> None:
        progress = self._progress.setdefault(trial_id, _TrialProgress())
        if epoch <= progress.epoch:
            return
        progress.epoch = epoch
        value = metrics[self.metric]
        self._ot_trials[trial_id].report(value, epoch)
        if is_better(self.metric, value, progress.best):
            progress.best, progress.gap = value, metrics.get("gap")


def sample_points(settings: StudySettings, count: int) -> list[Point]:
    """Points that the study's sampler would draw first, had it no first trials."""
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    study = optuna.create_study(
        sampler=_make_sampler(settings, 0),
        direction="minimize" if metric_direction(settings.metric) == "min" else "maximize",
    )
    study.add_trials(to_frozen_trials((), settings))
    return [settings.space.suggest_point(study.ask()) for _ in range(count)]


def count_startup_trials(trials: int) -> int:
    """How many trials must be over before the sampler proposes by what it has learnt."""
    return min(10, max(3, trials // 4))


def _make_sampler(settings: StudySettings, started_trials: int) -> TPESampler:
    # A new seed for every resume, or its first proposals would be those made before; so too with
    # what a study knows of others, which may have had the same seed.
    seed = settings.seed + started_trials + len(settings.known)
    startup = count_startup_trials(settings.trials)
    # Each parameter modelled apart, as Optuna did by default before 5.0: with some dozens of trials
    # in up to 16 dimensions, the joint model keeps to the first good ones (benchmarks/README.md).
    return TPESampler(seed=seed, n_startup_trials=startup, multivariate=False)
