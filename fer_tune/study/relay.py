"""From Ray's callbacks to the study's observers."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from ray import tune

from fer_tune.events import Ending, EpochEnded, Event, Observer, TrialEnded, TrialStarted
from fer_tune.study.record import trial_name
from fer_tune.study.scheduler import StudyScheduler
from fer_tune.study.settings import StudySettings
from fer_tune.training.config import TrialConfig


class Relay(tune.Callback):  # type: ignore[misc]
    """Tells the observers what Ray Tune tells its callbacks."""

    def __init__(
        self,
        observers: Sequence[Observer],
        scheduler: StudyScheduler,
        settings: StudySettings,
    ) -> None:
        self.scheduler = scheduler
        self._observers = observers
        self._epochs = settings.epochs
        self._parameters = list(settings.space.parameters)
        self._running: dict[int, int] = {}  # number -> last epoch

    def __getstate__(self) -> dict[str, Any]:
        # Ray saves callbacks with its experiment, which nothing is restored from: the journal is
        # what a study goes on from, and open files and threads cannot be saved.
        return {}

    def on_trial_start(self, *, trial: Any, **info: Any) -> None:
        number = trial.config["number"]
        config = TrialConfig.model_validate(trial.config["trial"])
        self._running[number] = 0
        name = trial_name(number, config, self._parameters)
        self._tell(TrialStarted(number=number, name=name, config=config))

    def on_trial_result(self, *, trial: Any, result: dict[str, Any], **info: Any) -> None:
        number, epoch = trial.config["number"], result["result"]
        self._running[number] = epoch.epoch
        self._tell(EpochEnded(number=number, result=epoch))

    def on_trial_complete(self, *, trial: Any, **info: Any) -> None:
        number = trial.config["number"]
        if number in self.scheduler.stopped:
            self._end(number, "stopped")
        elif self._running.get(number) == self._epochs:
            self._end(number, "finished")
        else:
            self._end(number, "interrupted")
        _forget(trial)

    def on_trial_error(self, *, trial: Any, **info: Any) -> None:
        # Not trial.get_error(): it reads the study's folder, where the file comes only later.
        written = trial.error_file and Path(trial.error_file).read_text(encoding="utf-8").strip()
        self._end(trial.config["number"], "failed", written or "an error that Ray did not keep")
        _forget(trial)

    def end_open(self) -> None:
        """Tell of the trials that Ray left running that they were interrupted."""
        for number in list(self._running):
            self._end(number, "interrupted")

    def _end(self, number: int, ending: Ending, error: str | None = None) -> None:
        if self._running.pop(number, None) is not None:
            self._tell(TrialEnded(number=number, ending=ending, error=error))

    def _tell(self, event: Event) -> None:
        for observer in self._observers:
            observer.tell(event)


def _forget(trial: Any) -> None:
    """Drop what Ray would keep of the trial's metrics: more than all else that it keeps of it."""
    trial.metric_analysis.clear()
    trial.metric_n_steps.clear()
    trial.last_result.clear()
