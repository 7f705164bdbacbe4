"""What Optuna's sampler sees of a long study."""

import copy
import heapq
from collections.abc import Container

from optuna.storages import InMemoryStorage
from optuna.study import StudyDirection
from optuna.trial import FrozenTrial, TrialState

# Of a study so long, proposing a trial costs 7 ms (paper.yaml) to 70 (regularize.yaml); each
# thousand trials more would add as much again.
RECENT = 1000
# More than these TPE never counts among the good ones.
BEST = 25


class RecentTrials(InMemoryStorage):
    """Shows the newest trials and, of those before them, the best.

    TPE gives the others less weight the longer ago they were.
    """

    def get_all_trials(
        self,
        study_id: int,
        deepcopy: bool = True,
        states: Container[TrialState] | None = None,
    ) -> list[FrozenTrial]:
        trials = super().get_all_trials(study_id, deepcopy=False, states=states)
        if len(trials) > RECENT:
            sign = 1 if self.get_study_directions(study_id)[0] == StudyDirection.MAXIMIZE else -1
            scored = (each for each in trials[:-RECENT] if each.values)
            best = heapq.nlargest(BEST, scored, key=lambda each: sign * each.values[0])
            trials = sorted(best, key=lambda each: each.number) + trials[-RECENT:]
        return copy.deepcopy(trials) if deepcopy else trials
