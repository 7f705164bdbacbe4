"""What Optuna's sampler sees of a study: newest and best trials, paused ones as pruned."""

import copy
import heapq
from collections.abc import Container, Mapping, Sequence

from optuna.storages import InMemoryStorage
from optuna.study import StudyDirection
from optuna.trial import FrozenTrial, TrialState

# Without a window, a proposal takes five times as long at 3,000 trials (regularize.yaml, 65 ms to
# 360 ms) and 24 times as long at 10,000.
WINDOW_SIZE = 1000
MAX_BEST = 25  # TPE counts at most 25 trials among the good ones


class WindowedStorage(InMemoryStorage):
    """A storage of one study that shows the newest trials and the best of all trials.

    TPE gives a trial less weight the older it is. Without most of the old trials, a proposal in a
    long study takes no longer than in a short one.

    A paused trial is shown as pruned. TPE counts a running trial among the bad ones until it ends,
    and most paused trials never resume.
    """

    def __init__(self) -> None:
        super().__init__()
        self._paused: dict[int, FrozenTrial] = {}  # by Optuna's number, as the sampler sees them
        self._count = 0  # trials of the study when `_best` was computed
        self._best: list[FrozenTrial] = []

    def mark_paused(self, number: int, constraints: Mapping[str, float]) -> None:
        """Show a trial as pruned, with these constraints.

        The trial itself stays without constraints: Optuna never changes those it has, and they
        may differ when the trial ends.

        number: Optuna's number of the trial.
        """
        (study,) = self.get_all_studies()
        trial_id = self.get_trial_id_from_study_id_trial_number(study._study_id, number)
        trial = copy.copy(self.get_trial(trial_id))
        trial.state, trial.system_attrs = TrialState.PRUNED, dict(trial.system_attrs)
        for name, value in constraints.items():
            trial.set_constraint(name, value)
        self._paused[number] = trial

    def mark_running(self, number: int) -> None:
        """Show a paused trial as running again."""
        del self._paused[number]

    def get_all_trials(
        self, study_id: int, deepcopy: bool = True, states: Container[TrialState] | None = None
    ) -> list[FrozenTrial]:
        if states == (TrialState.WAITING,):  # Optuna keeps a list of these
            return super().get_all_trials(study_id, deepcopy, states)
        trials = super().get_all_trials(study_id, deepcopy=False)
        if (older := len(trials) - WINDOW_SIZE) > 0:
            best = self._find_best(study_id, trials)
            trials = [trial for trial in best if trial.number < older] + trials[older:]
        visible = (self._paused.get(trial.number, trial) for trial in trials)
        selected = [trial for trial in visible if states is None or trial.state in states]
        return copy.deepcopy(selected) if deepcopy else selected

    def _find_best(self, study_id: int, trials: Sequence[FrozenTrial]) -> list[FrozenTrial]:
        """Return the best trials, by number.

        TPE asks several times for each proposal. They are computed once for each new trial.
        """
        if len(trials) != self._count:
            (direction,) = self.get_study_directions(study_id)
            sign = 1 if direction == StudyDirection.MAXIMIZE else -1

            def sort_key(trial: FrozenTrial) -> tuple[float, float]:
                excess = sum(max(0.0, value) for value in trial.constraints.values())
                return -excess, sign * trial.values[0]

            completed = (trial for trial in trials if trial.values)
            best = heapq.nlargest(MAX_BEST, completed, key=sort_key)
            self._count, self._best = len(trials), sorted(best, key=lambda trial: trial.number)
        return self._best
