"""ASHA whose rungs outlive the process (Li et al. 2018, section 3; the stopping kind)."""

from types import SimpleNamespace
from typing import Any

from ray.tune.schedulers import ASHAScheduler, TrialScheduler

from fer_tune.events import EpochEnded
from fer_tune.study.record import PAPER_TRIAL
from fer_tune.study.settings import StudySettings
from fer_tune.training.metrics import direction


class StudyScheduler(ASHAScheduler):  # type: ignore[misc]
    """Ray's ASHA, with rungs kept by the number of a trial in its study.

    Ray gives a trial a new id in every process, and does not save the scheduler with the
    experiment. By number, the rungs can be filled again from the journal, in its order.
    The paper's trial is never stopped: it is what the others are compared with.

    stopped: numbers of the trials that it has stopped before their full length.
    """

    def __init__(self, settings: StudySettings) -> None:
        super().__init__(
            time_attr="epoch",
            metric=settings.metric,
            mode=direction(settings.metric),
            max_t=settings.epochs,
            grace_period=min(settings.grace, settings.epochs),
            reduction_factor=settings.reduction,
        )
        self._epochs = settings.epochs
        self.stopped: set[int] = set()

    def replay(self, event: EpochEnded) -> None:
        """Take in an epoch from the journal as if its trial had just reported it."""
        trial = SimpleNamespace(config={"number": event.number})
        if event.result.epoch == 1:
            self.on_trial_add(None, trial)
        result = {**event.result.metrics, "epoch": event.result.epoch}
        self.on_trial_result(None, trial, result)

    def on_trial_add(self, tune_controller: Any, trial: Any) -> None:
        super().on_trial_add(tune_controller, _by_number(trial))

    def on_trial_result(self, tune_controller: Any, trial: Any, result: dict[str, Any]) -> str:
        if "failure" in result:
            return str(TrialScheduler.STOP)
        decision: str = super().on_trial_result(tune_controller, _by_number(trial), result)
        if decision == TrialScheduler.STOP and result["epoch"] < self._epochs:
            if trial.config["number"] == PAPER_TRIAL:
                return str(TrialScheduler.CONTINUE)
            self.stopped.add(trial.config["number"])
        return decision

    def on_trial_complete(self, tune_controller: Any, trial: Any, result: dict[str, Any]) -> None:
        if "failure" not in result:
            super().on_trial_complete(tune_controller, _by_number(trial), result)

    def on_trial_remove(self, tune_controller: Any, trial: Any) -> None:
        super().on_trial_remove(tune_controller, _by_number(trial))


def _by_number(trial: Any) -> SimpleNamespace:
    return SimpleNamespace(trial_id=str(trial.config["number"]))
