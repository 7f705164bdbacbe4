"""Which trial of a study is best."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from fer_tune.scoring.metrics import EpochResult, ranking_key
from fer_tune.study.records.trial_record import TrialRecord


@dataclass(frozen=True, eq=False)
class ScoredTrial:
    """A trial that has finished an epoch.

    best_epoch: the best by the study's metric.
    """

    record: TrialRecord
    best_epoch: EpochResult

    @property
    def number(self) -> int:
        return self.record.number

    @property
    def metrics(self) -> Mapping[str, float]:
        """Metrics of the best epoch, by name."""
        return self.best_epoch.metrics

    @property
    def steps(self) -> int:
        """Training steps until the end of the best epoch; 0 if they are not recorded."""
        return self.best_epoch.epoch * (self.record.steps_per_epoch or 0)

    @property
    def is_completed(self) -> bool:
        return self.record.ending == "finished"

    def satisfies_constraint(self, max_gap: float | None) -> bool:
        """Return whether the trial is completed with a gap of at most `max_gap` (None: any)."""
        return max_gap is None or (self.is_completed and self.metrics["gap"] <= max_gap)


def score_trials(trials: Iterable[TrialRecord], metric: str) -> list[ScoredTrial]:
    """Return the trials that have finished an epoch, in the same order."""
    return [ScoredTrial(trial, best) for trial in trials if (best := trial.find_best_epoch(metric))]


def rank_trials(
    trials: Iterable[TrialRecord], metric: str, max_gap: float | None = None
) -> list[ScoredTrial]:
    """Return the trials that have finished an epoch, the best first; see `ranking_key`.

    Equal trials stay in their order.
    """

    def sort_key(trial: ScoredTrial) -> tuple[float, float]:
        return ranking_key(trial.metrics, metric, max_gap, is_completed=trial.is_completed)

    return sorted(score_trials(trials, metric), key=sort_key, reverse=True)
