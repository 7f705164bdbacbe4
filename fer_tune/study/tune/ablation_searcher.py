"""The searcher of an ablation: Ray Tune asks it for the planned trials."""

from typing import Any

from ray.tune.search import Searcher

from fer_tune.study.ablation_plan import PlannedTrial, list_planned_trials
from fer_tune.study.asha import Asha
from fer_tune.study.records.settings import StudySettings
from fer_tune.study.records.trial_record import TrialRecord, TrialRecords
from fer_tune.study.tune.searcher import ActiveTrial, StudySearcher


class AblationSearcher(StudySearcher):
    """A Ray searcher that hands out the planned trials of an ablation, and continues them.

    The trials of the path are known when all others have ended. Until then, it lets Ray wait.

    records: the trials of the study; they get each event before Ray asks for the next trial.
    """

    def __init__(
        self, settings: StudySettings, records: TrialRecords, gpus: float, asha: Asha
    ) -> None:
        super().__init__(settings, records.to_list(), gpus, asha)
        assert settings.ablation
        self._ablation, self._records = settings.ablation, records

    def _list_planned_trials(self) -> list[PlannedTrial]:
        return list_planned_trials(self._ablation, self.metric, self._records.to_list())

    def suggest(self, trial_id: str) -> dict[str, Any] | str | None:
        config = super().suggest(trial_id)
        return None if config == Searcher.FINISHED and self._numbers else config

    def _can_propose(self) -> bool:
        if self._unfinished or not self._numbers:
            return super()._can_propose()
        return self._numbers[-1] < len(self._list_planned_trials())

    def _propose_trial(self, previous: TrialRecord | None) -> ActiveTrial:
        number = previous.number if previous else self._numbers[-1]
        planned = self._list_planned_trials()[number]
        first_count = len(self._ablation.list_first_points())
        if previous is None and number >= first_count:
            self.study.enqueue_trial(self._ablation.build_point(planned.subset))
        trial = super()._propose_trial(previous)
        trial.config |= {"name": planned.name, "seed_number": planned.seed_number}
        return trial
