"""From Ray's callbacks to the study's observers."""

from collections.abc import Sequence
from typing import Any

from ray import tune

from fer_tune.study.observer import Observer
from fer_tune.study.record import trial_name
from fer_tune.study.scheduler import StudyScheduler
from fer_tune.study.settings import StudySettings
from fer_tune.training.config import TrialConfig
from fer_tune.training.metrics import Ending, EpochResult


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
        values = {k: v for k, v in trial.config.items() if k != "number"}
        config = TrialConfig.model_validate(values)
        self._running[number] = 0
        for observer in self._observers:
            observer.trial_started(number, trial_name(number, config, self._parameters), config)

    def on_trial_result(self, *, trial: Any, result: dict[str, Any], **info: Any) -> None:
        epoch = EpochResult(**result["result"])
        self._running[trial.config["number"]] = epoch.epoch
        for observer in self._observers:
            observer.epoch_ended(trial.config["number"], epoch)

    def on_trial_complete(self, *, trial: Any, **info: Any) -> None:
        number = trial.config["number"]
        if number in self.scheduler.stopped:
            self._end(number, "stopped")
        elif self._running.get(number) == self._epochs:
            self._end(number, "finished")
        else:
            self._end(number, "interrupted")

    def on_trial_error(self, *, trial: Any, **info: Any) -> None:
        lines = str(trial.get_error() or "").strip().splitlines()
        self._end(trial.config["number"], "failed", lines[-1] if lines else "unknown error")

    def end_open(self) -> None:
        """Tell of the trials that Ray left running that they were interrupted."""
        for number in list(self._running):
            self._end(number, "interrupted")

    def _end(self, number: int, ending: Ending, error: str | None = None) -> None:
        if self._running.pop(number, None) is not None:
            for observer in self._observers:
                observer.trial_ended(number, ending, error)
