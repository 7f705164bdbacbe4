"""Ray Tune's callback: turns what happens to trials into events."""

import signal
import threading
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import ray
from ray import tune

from fer_tune import events
from fer_tune.common.errors import UserError
from fer_tune.study.records.settings import StudySettings
from fer_tune.study.records.trial_record import TrialRecords, build_trial_started
from fer_tune.study.tune.failure import TrialFailure
from fer_tune.study.tune.ray_scheduler import StudyScheduler
from fer_tune.trial_config import TrialConfig

MAX_RETRIES = 3  # of a trial whose worker died


class StudyCallback(tune.Callback):  # type: ignore[misc]
    """A Ray Tune callback that sends events to the study's observers.

    observers: the first is `records`.
    records: the trials of the study.
    count_faces: returns the number of faces in an epoch of a trial; None if it is not known.
    failure: why the study cannot continue, if an observer or a worker says so.
    """

    def __init__(
        self,
        observers: Sequence[events.Observer],
        scheduler: StudyScheduler,
        settings: StudySettings,
        records: TrialRecords,
        count_faces: Callable[[TrialConfig], int | None],
    ) -> None:
        self.scheduler = scheduler
        self.failure: Exception | None = None
        self._observers, self._records = observers, records
        self._epochs, self._space = settings.epochs, settings.space
        self._count_faces = count_faces
        self._sigint_handler = signal.getsignal(signal.SIGINT)
        self._workers: dict[int, Any] = {}  # Ray's handles of running trials, by number

    def __getstate__(self) -> dict[str, Any]:
        # Ray pickles callbacks with its experiment, but open files and threads cannot be pickled.
        # A study is restored from its event log alone.
        return {}

    def setup(self, *args: Any, **info: Any) -> None:
        self._sigint_handler = signal.getsignal(signal.SIGINT)  # Ray Tune's

    def on_trial_start(self, *, trial: Any, **info: Any) -> None:
        number = trial.config["number"]
        config = TrialConfig.model_validate(trial.config["trial"])
        self._workers[number] = trial.temporary_state.ray_actor
        started = build_trial_started(number, config, self._space, self._count_faces(config))
        keys = {"name", "seed_number", "repeat_of"} & trial.config.keys()
        self._notify_observers(started.model_copy(update={key: trial.config[key] for key in keys}))

    def on_trial_result(self, *, trial: Any, result: dict[str, Any], **info: Any) -> None:
        number = trial.config["number"]
        if failure := result.get("failure"):
            if failure.kind == "storage":
                line = f"{self._records[number].title} cannot be stored: {failure.last_line}"
                self.failure = UserError(line)
                raise self.failure
            return
        epoch, restored = result["result"], result["restored"]
        recorded = len(self._records[number].history)
        if epoch.epoch == restored.epochs + 1 <= recorded:
            problem = restored.problem or "its newest checkpoint is gone"
            repeated = f"it is trained again from epoch {epoch.epoch}"
            stay = f"but the recorded results up to epoch {recorded} stay"
            self._report_remark(number, f"{problem}; {repeated}, {stay}")
        if epoch.epoch > recorded:
            self._notify_observers(events.EpochEnded(number=number, result=epoch))

    def on_trial_complete(self, *, trial: Any, **info: Any) -> None:
        number = trial.config["number"]
        failure: TrialFailure | None = trial.last_result.get("failure")
        if failure and failure.is_retryable(trial.config):
            self._report_remark(number, "out of memory on a fraction of a GPU; it gets a whole GPU")
            self._report_trial_end(number, "interrupted")
        elif failure:
            self._report_trial_end(number, "failed", failure.error)
        elif number in self.scheduler.pruned:
            self._report_trial_end(number, "stopped")
        elif number in self.scheduler.asha.paused:
            self._report_trial_end(number, "paused")
        elif number in self._workers:  # else it has not started
            is_completed = len(self._records[number].history) == self._epochs
            self._report_trial_end(number, "finished" if is_completed else "interrupted")
        _drop_ray_metrics(trial)

    def on_trial_recover(self, *, trial: Any, **info: Any) -> None:
        number = trial.config["number"]
        if number in self._workers:
            retry = f"it resumes after its last epoch (retry {trial.num_failures} of {MAX_RETRIES})"
            self._report_remark(number, f"its worker died; {retry}")
            self._report_trial_end(number, "interrupted")

    def on_trial_error(self, *, trial: Any, **info: Any) -> None:
        number = trial.config["number"]
        if number not in self._workers:  # it failed before it started or resumed
            self.on_trial_start(trial=trial)
        # Not trial.get_error(): it reads the study's folder, which gets the file only later.
        error = trial.error_file and Path(trial.error_file).read_text(encoding="utf-8").strip()
        self._report_trial_end(number, "failed", error or "an error without a message from Ray")
        _drop_ray_metrics(trial)

    def on_step_end(self, **info: Any) -> None:
        # At Ctrl-C, Ray Tune's handler replaces itself; only the main thread has one. Ray waits up
        # to fifteen seconds for workers, which answer only between two epochs. A killed worker
        # loses only its current epoch: checkpoints are written completely or not at all.
        is_main = threading.current_thread() is threading.main_thread()
        if is_main and signal.getsignal(signal.SIGINT) is not self._sigint_handler:
            for worker in self._workers.values():
                ray.kill(worker)
        # If a callback raises while a trial ends, Ray takes it for the trial's error and retries.
        if self.failure:
            raise self.failure

    def end_running_trials(self) -> None:
        """Report the trials that still run as interrupted."""
        for number in list(self._workers):
            self._report_trial_end(number, "interrupted")

    def _report_remark(self, number: int, remark: str) -> None:
        self._notify_observers(events.TrialRemarked(number=number, remark=remark))

    def _report_trial_end(
        self, number: int, ending: events.Ending, error: str | None = None
    ) -> None:
        if number in self._workers:
            del self._workers[number]
            self._notify_observers(events.TrialEnded(number=number, ending=ending, error=error))

    def _notify_observers(self, event: events.Event) -> None:
        try:
            for observer in self._observers:
                observer.on_event(event)
        except Exception as failure:
            self.failure = failure
            raise


def _drop_ray_metrics(trial: Any) -> None:
    """Delete Ray's statistics of an ended trial, most of the memory that a trial takes."""
    trial.metric_analysis.clear()
    trial.metric_n_steps.clear()
    trial.last_result.clear()
