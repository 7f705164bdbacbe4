"""From Ray's callbacks to the study's observers."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from ray import tune

from fer_tune.common.errors import UserError
from fer_tune.events import (
    RESUMABLE_ENDINGS,
    Ending,
    EpochEnded,
    Event,
    Observer,
    TrialEnded,
    TrialRemarked,
    TrialStarted,
)
from fer_tune.study.records.settings import StudySettings
from fer_tune.study.records.trial_record import format_trial_name
from fer_tune.study.tune.failure import TrialFailure
from fer_tune.study.tune.interrupt import kill_workers_on_sigint
from fer_tune.study.tune.scheduler import StudyScheduler
from fer_tune.study.tune.trainable import RestoreInfo
from fer_tune.trial_config import TrialConfig

# Times that a trial whose worker died is begun again where it was.
MAX_RETRIES = 3


class StudyCallback(tune.Callback):  # type: ignore[misc]
    """Tells the observers what Ray Tune tells its callbacks.

    reported: by the number of a trial that goes on, how many of its epochs they know already.
    failure: why the study cannot go on, where an observer or a worker said so.
    """

    def __init__(
        self,
        observers: Sequence[Observer],
        scheduler: StudyScheduler,
        settings: StudySettings,
        reported_epochs: Mapping[int, int] | None = None,
    ) -> None:
        self.scheduler = scheduler
        self.failure: Exception | None = None
        self._observers = observers
        self._epochs = settings.epochs
        self._space = settings.space
        self._known = dict(reported_epochs or {})  # number -> last epoch, of trials not over
        self._running: dict[int, Any] = {}  # number -> Ray's handle of its worker
        self._beginning: set[int] = set()  # started, and nothing heard of yet
        self._failures: dict[int, TrialFailure] = {}

    def __getstate__(self) -> dict[str, Any]:
        # Ray saves callbacks with its experiment, which nothing is restored from: the journal is
        # what a study goes on from, and open files and threads cannot be saved.
        return {}

    def setup(self, *args: Any, **info: Any) -> None:
        kill_workers_on_sigint(self._running)

    def on_trial_start(self, *, trial: Any, **info: Any) -> None:
        number = trial.config["number"]
        config = TrialConfig.model_validate(trial.config["trial"])
        self._running[number] = trial.temporary_state.ray_actor
        self._known.setdefault(number, 0)
        self._beginning.add(number)
        point = self._space.extract_point(config.model_dump())
        absent = tuple(each for each in self._space.parameters if each not in point)
        name = format_trial_name(number, point)
        self._notify_observers(TrialStarted(number=number, name=name, config=config, absent=absent))

    def on_trial_result(self, *, trial: Any, result: dict[str, Any], **info: Any) -> None:
        number = trial.config["number"]
        if failure := result.get("failure"):
            self._failures[number] = failure
            if failure.kind == "storage":
                self.failure = UserError(f"trial {number:03d} could not be kept: {failure.last_line}")
                raise self.failure
            return
        if number in self._beginning:
            self._beginning.remove(number)
            self._report_lost_epochs(number, result["begun"])
        epoch = result["result"]
        if epoch.epoch > self._known[number]:
            self._known[number] = epoch.epoch
            self._notify_observers(EpochEnded(number=number, result=epoch))

    def _report_lost_epochs(self, number: int, restored: RestoreInfo) -> None:
        """Tell of a trial that does again what it had done, since its checkpoint is lost."""
        if restored.epochs < (known := self._known[number]):
            problem = restored.problem or "its newest checkpoint is gone"
            again = f"it is trained again from epoch {restored.epochs + 1}"
            self._report_remark(
                number, f"{problem}; {again}, and what is known up to {known} stands"
            )

    def on_trial_complete(self, *, trial: Any, **info: Any) -> None:
        number = trial.config["number"]
        failure = self._failures.pop(number, None)
        if failure and failure.is_retryable(trial.config):
            self._report_remark(
                number, "a part of the GPU has too little memory; it gets a whole one"
            )
            self._report_trial_end(number, "interrupted")
        elif failure:
            self._report_trial_end(number, "failed", failure.error)
        elif number in self.scheduler.pruned:
            self._report_trial_end(number, "stopped")
        elif number in self.scheduler.asha.paused:
            self._report_trial_end(number, "paused")
        else:
            whole = self._known.get(number) == self._epochs
            self._report_trial_end(number, "finished" if whole else "interrupted")
        _drop_ray_metrics(trial)

    def on_trial_recover(self, *, trial: Any, **info: Any) -> None:
        number, deaths = trial.config["number"], trial.num_failures
        if number in self._running:
            again = f"going on from its last epoch ({deaths} of {MAX_RETRIES} times)"
            self._report_remark(number, f"its worker died; {again}")
            self._report_trial_end(number, "interrupted")

    def on_trial_error(self, *, trial: Any, **info: Any) -> None:
        number = trial.config["number"]
        if number not in self._running:  # it never began, or not again
            self.on_trial_start(trial=trial)
        # Not trial.get_error(): it reads the study's folder, where the file comes only later.
        written = trial.error_file and Path(trial.error_file).read_text(encoding="utf-8").strip()
        self._report_trial_end(number, "failed", written or "an error that Ray did not keep")
        _drop_ray_metrics(trial)

    def on_step_end(self, **info: Any) -> None:
        # What is raised as a trial ends, Ray takes for the trial's own error and runs it again.
        if self.failure:
            raise self.failure

    def end_running_trials(self) -> None:
        """Tell of the trials that Ray left running that they were interrupted."""
        for number in list(self._running):
            self._report_trial_end(number, "interrupted")

    def _report_remark(self, number: int, remark: str) -> None:
        self._notify_observers(TrialRemarked(number=number, remark=remark))

    def _report_trial_end(self, number: int, ending: Ending, error: str | None = None) -> None:
        if number in self._running:
            del self._running[number]
            if ending not in RESUMABLE_ENDINGS:
                self._known.pop(number, None)
            self._notify_observers(TrialEnded(number=number, ending=ending, error=error))

    def _notify_observers(self, event: Event) -> None:
        try:
            for observer in self._observers:
                observer.on_event(event)
        except Exception as failure:
            self.failure = failure
            raise


def _drop_ray_metrics(trial: Any) -> None:
    """Drop what Ray would keep of the trial's metrics: more than all else that it keeps of it."""
    trial.metric_analysis.clear()
    trial.metric_n_steps.clear()
    trial.last_result.clear()
