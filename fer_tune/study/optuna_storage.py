"""What Optuna's sampler sees of a long study."""

import copy
import heapq
from collections.abc import Container, Mapping, Sequence

from optuna.storages import InMemoryStorage
from optuna.study import StudyDirection
from optuna.trial import FrozenTrial, TrialState

# Of a study so long, proposing a trial costs 7 ms (paper.yaml) to some 100 (regularize.yaml); each
# thousand trials more would add as much again.
WINDOW_SIZE = 1000
# More than these TPE never counts among the good ones.
MAX_BEST = 25


class WindowedStorage(InMemoryStorage):
    """Shows the newest trials of the one study that it holds, and the best of all.

    TPE gives the others less weight the longer ago they were. The best are kept as they are told,
    so that a proposal costs no more the longer the study is.

    A trial that is paused is shown as pruned where it is: TPE takes one that runs for a bad one
    until it is over, and most of those that are paused never go on.
    """

    def __init__(self) -> None:
        super().__init__()
        self._best: list[FrozenTrial] = []
        self._paused: dict[int, FrozenTrial] = {}  # by number, as they are shown

    def create_new_trial(self, study_id: int, template_trial: FrozenTrial | None = None) -> int:
        trial_id = super().create_new_trial(study_id, template_trial)
        if template_trial and template_trial.values:
            self._update_best(trial_id)
        return trial_id

    def set_trial_state_values(
        self, trial_id: int, state: TrialState, values: Sequence[float] | None = None
    ) -> bool:
        changed = super().set_trial_state_values(trial_id, state, values)
        if values:
            self._update_best(trial_id)
        return changed

    def mark_paused(self, number: int, constraints: Mapping[str, float]) -> None:
        """Show a trial, by Optuna's number of it, as pruned, and with these constraints.

        What Optuna is told of constraints it keeps, and they may be others when the trial is over.
        """
        (study,) = self.get_all_studies()
        trial_id = self.get_trial_id_from_study_id_trial_number(study._study_id, number)
        shown = copy.copy(self.get_trial(trial_id))
        shown.state, shown.system_attrs = TrialState.PRUNED, dict(shown.system_attrs)
        for name, value in constraints.items():
            shown.set_constraint(name, value)
        self._paused[number] = shown

    def mark_running(self, number: int) -> None:
        """Show a trial that was paused as one that runs."""
        del self._paused[number]

    def _update_best(self, trial_id: int) -> None:
        (study,) = self.get_all_studies()
        sign = 1 if study.direction == StudyDirection.MAXIMIZE else -1

        def sort_key(trial: FrozenTrial) -> tuple[float, float]:
            above = sum(max(0.0, each) for each in trial.constraints.values())
            return -above, sign * trial.values[0]

        known = [*self._best, self.get_trial(trial_id)]
        self._best = heapq.nlargest(MAX_BEST, known, key=sort_key)

    def get_all_trials(
        self,
        study_id: int,
        deepcopy: bool = True,
        states: Container[TrialState] | None = None,
    ) -> list[FrozenTrial]:
        if states == (TrialState.WAITING,):  # which Optuna does not look for among all
            return super().get_all_trials(study_id, deepcopy, states)
        trials = super().get_all_trials(study_id, deepcopy=False)
        if (before := len(trials) - WINDOW_SIZE) > 0:
            best = [each for each in self._best if each.number < before]
            trials = sorted(best, key=lambda each: each.number) + trials[before:]
        shown = (self._paused.get(each.number, each) for each in trials)
        seen = [each for each in shown if states is None or each.state in states]
        return copy.deepcopy(seen) if deepcopy else seen
