"""Ray's side of the rungs, which outlive its process."""

from typing import Any

from ray.tune.schedulers import FIFOScheduler, TrialScheduler

from fer_tune.events import EpochEnded, Event, TrialEnded, TrialStarted
from fer_tune.study.asha import rungs_of
from fer_tune.study.records.settings import StudySettings


class StudyScheduler(FIFOScheduler):  # type: ignore[misc]
    """Lets trials go on as the study's rungs say, by their numbers in the study.

    Ray gives a trial a new id in every process, and does not save the scheduler with the
    experiment. By number, the rungs can be filled again from the journal, in its order.

    A trial that is paused has ended for Ray, and `StudySearch` gives it again when it is to go
    on. Ray can pause trials itself, but counts those among the ones that run at once, and begins
    all that it is given: what a resumed study has paused before, it could not take up.

    rungs: shared with the search.
    stopped: numbers of the trials that ended before their full length, and do not go on.
    """

    def __init__(self, settings: StudySettings) -> None:
        super().__init__()
        self.rungs = rungs_of(settings)
        self.stopped: set[int] = set()
        self._value, self._epochs = settings.metric, settings.epochs

    def replay(self, event: Event) -> None:
        """Take in an event from the journal as if it happened now."""
        match event:
            case TrialStarted(number=number):
                self.rungs.leave(number)
            case EpochEnded(number=number, result=result):
                self._decide(number, result.epoch, result.metrics[self._value])
            case TrialEnded(number=number, ending="finished" | "stopped" | "failed" as ending):
                self.rungs.leave(number)
                if ending == "stopped":
                    self.stopped.add(number)

    def _decide(self, number: int, epoch: int, value: float) -> str:
        decision = self.rungs.decide(number, epoch, value)
        if decision == "stop" and epoch < self._epochs:
            self.stopped.add(number)
        return str(TrialScheduler.CONTINUE if decision == "continue" else TrialScheduler.STOP)

    def on_trial_result(self, tune_controller: Any, trial: Any, result: dict[str, Any]) -> str:
        if "failure" in result:
            return str(TrialScheduler.STOP)
        return self._decide(trial.config["number"], result["epoch"], result[self._value])

    def choose_trial_to_run(self, tune_controller: Any) -> Any:
        # Ray's own looks through all trials there ever were, at each of its steps.
        pending = [
            each for each in tune_controller.get_live_trials() if each.status == each.PENDING
        ]
        return min(pending, key=lambda each: each.config["number"], default=None)
