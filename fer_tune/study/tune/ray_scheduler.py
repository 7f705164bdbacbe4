"""Ray Tune's scheduler of a study, which asks ASHA."""

from collections.abc import Mapping
from typing import Any

from ray.tune.schedulers import FIFOScheduler, TrialScheduler

from fer_tune.events import EpochEnded, Event, TrialEnded, TrialStarted
from fer_tune.study.asha import make_asha
from fer_tune.study.records.settings import StudySettings


class StudyScheduler(FIFOScheduler):  # type: ignore[misc]
    """A Ray scheduler that decides by the trials' numbers in the study.

    Ray gives a trial a new id in every process and does not save the scheduler. By number, ASHA's
    rungs are filled again from the event log, in its order.

    For Ray, a paused trial has ended, and `StudySearcher` proposes it again when it resumes. Ray's
    own pausing counts paused trials as concurrent ones, and cannot take over those of an earlier
    run.

    asha: shared with the searcher.
    epochs: length of a trial.
    pruned: numbers of the trials that ended early and cannot resume.
    """

    def __init__(self, settings: StudySettings) -> None:
        super().__init__()
        self.asha = make_asha(settings)
        self.pruned: set[int] = set()
        self._study_metric, self.epochs = settings.metric, settings.epochs

    def replay_event(self, event: Event) -> None:
        """Apply an event of the event log as if it happened now."""
        match event:
            case TrialStarted(number=number):
                self.asha.remove_paused(number)
            case EpochEnded(number=number, result=result):
                self._decide_trial(number, result.epoch, result.metrics)
            case TrialEnded(number=number, ending="finished" | "stopped" | "failed" as ending):
                self.asha.remove_paused(number)
                if ending == "stopped":
                    self.pruned.add(number)

    def _decide_trial(self, number: int, epoch: int, metrics: Mapping[str, Any]) -> str:
        decision = self.asha.decide(number, epoch, metrics[self._study_metric])
        if decision == "stop" and epoch < self.epochs:
            self.pruned.add(number)
        return str(TrialScheduler.CONTINUE if decision == "continue" else TrialScheduler.STOP)

    def on_trial_result(self, tune_controller: Any, trial: Any, result: dict[str, Any]) -> str:
        if "failure" in result:
            return str(TrialScheduler.STOP)
        return self._decide_trial(trial.config["number"], result["epoch"], result)

    def choose_trial_to_run(self, tune_controller: Any) -> Any:
        # Ray's method goes through all trials of the study at each of its steps.
        trials = tune_controller.get_live_trials()
        pending = [trial for trial in trials if trial.status == trial.PENDING]
        return min(pending, key=lambda trial: trial.config["number"], default=None)
