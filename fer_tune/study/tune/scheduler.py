"""Ray's side of the rungs, which outlive its process."""

from typing import Any

from ray.tune.schedulers import FIFOScheduler, TrialScheduler

from fer_tune.events import EpochEnded, Event, TrialEnded, TrialStarted
from fer_tune.study.asha import make_asha
from fer_tune.study.records.settings import StudySettings


class StudyScheduler(FIFOScheduler):  # type: ignore[misc]
    """Lets trials go on as the study's rungs say, by their numbers in the study.

    Ray gives a trial a new id in every process, and does not save the scheduler with the
    experiment. By number, the rungs can be filled again from the journal, in its order.

    A trial that is paused has ended for Ray, and `StudySearcher` gives it again when it is to go
    on. Ray can pause trials itself, but counts those among the ones that run at once, and begins
    all that it is given: what a resumed study has paused before, it could not take up.

    rungs: shared with the search.
    stopped: numbers of the trials that ended before their full length, and do not go on.
    """

    def __init__(self, settings: StudySettings) -> None:
        super().__init__()
        self.asha = make_asha(settings)
        self.pruned: set[int] = set()
        self._value, self._epochs = settings.metric, settings.epochs

    def replay_event(self, event: Event) -> None:
        """Take in an event from the journal as if it happened now."""
        match event:
            case TrialStarted(number=number):
                self.asha.remove_paused(number)
            case EpochEnded(number=number, result=result):
                self._decide_trial(number, result.epoch, result.metrics[self._value])
            case TrialEnded(number=number, ending="finished" | "stopped" | "failed" as ending):
                self.asha.remove_paused(number)
                if ending == "stopped":
                    self.pruned.add(number)

    def _decide_trial(self, number: int, epoch: int, value: float) -> str:
        decision = self.asha.decide(number, epoch, value)
        if decision == "stop" and epoch < self._epochs:
            self.pruned.add(number)
        return str(TrialScheduler.CONTINUE if decision == "continue" else TrialScheduler.STOP)

    def on_trial_result(self, tune_controller: Any, trial: Any, result: dict[str, Any]) -> str:
        if "failure" in result:
            return str(TrialScheduler.STOP)
        return self._decide_trial(trial.config["number"], result["epoch"], result[self._value])

    def choose_trial_to_run(self, tune_controller: Any) -> Any:
        # Ray's own looks through all trials there ever were, at each of its steps.
        pending = [
            each for each in tune_controller.get_live_trials() if each.status == each.PENDING
        ]
        return min(pending, key=lambda each: each.config["number"], default=None)
