"""Which trials of a study are best, and which have learnt and can be compared."""

import csv
import io
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from fer_tune.scoring.finalist_means import average_finalists
from fer_tune.scoring.metrics import EpochResult, ranking_key
from fer_tune.study.records.trial_record import TrialRecord
from fer_tune.study.search_space.space import SearchSpace


@dataclass(frozen=True, eq=False)
class ScoredTrial:
    """A trial that has finished an epoch.

    best_epoch: the best by the study's metric.
    means: of the metric and the gap over the seeds of a finalist; None for other trials, and
        before the repeats of all finalists have ended.
    """

    record: TrialRecord
    best_epoch: EpochResult
    means: Mapping[str, float] | None = None

    @property
    def number(self) -> int:
        return self.record.number

    @property
    def metrics(self) -> Mapping[str, float]:
        """Metrics of the best epoch, by name."""
        return self.best_epoch.metrics

    @property
    def ranked_metrics(self) -> Mapping[str, float]:
        """The metrics by which the trial is ranked: the means of a finalist."""
        return self.means or self.metrics

    @property
    def steps(self) -> int:
        """Training steps until the end of the best epoch; 0 if they are not recorded."""
        return self.best_epoch.epoch * (self.record.steps_per_epoch or 0)

    @property
    def is_completed(self) -> bool:
        return self.record.ending == "finished"

    def satisfies_constraint(self, max_gap: float | None) -> bool:
        """Return whether the trial is completed with a gap of at most `max_gap` (None: any)."""
        return max_gap is None or (self.is_completed and self.ranked_metrics["gap"] <= max_gap)


def score_trials(trials: Iterable[TrialRecord], metric: str) -> list[ScoredTrial]:
    """Return the trials that have finished an epoch, in the same order."""
    return [ScoredTrial(trial, best) for trial in trials if (best := trial.find_best_epoch(metric))]


def rank_trials(
    trials: Iterable[TrialRecord],
    metric: str,
    max_gap: float | None = None,
    *,
    by_first_score: bool = False,
) -> list[ScoredTrial]:
    """Return the trials that have finished an epoch, the best first; see `ranking_key`.

    Once all repeats of the finalists have ended, the finalists come first, and their means decide.
    Equal trials stay in their order.

    by_first_score: rank as if there were no repeats.
    """
    scored, means = score_trials(trials, metric), dict[int, dict[str, float]]()
    if not by_first_score:
        firsts = {trial.number: trial.metrics for trial in scored}
        finalists = (trial.record for trial in scored if trial.record.repeats)
        repeats = {trial.number: _list_results(trial, metric) for trial in finalists}
        means = average_finalists(firsts, repeats, metric)

    def sort_key(trial: ScoredTrial) -> tuple[bool, float, float]:
        metrics, is_completed = trial.ranked_metrics, trial.is_completed
        key = ranking_key(metrics, metric, max_gap, is_completed=is_completed)
        return trial.means is not None, *key

    averaged = [replace(trial, means=means.get(trial.number)) for trial in scored]
    return sorted(averaged, key=sort_key, reverse=True)


def _list_results(finalist: TrialRecord, metric: str) -> list[Mapping[str, float] | None]:
    """Return the metrics of the repeats that have ended; None for one that is not completed."""
    ended = [repeat for repeat in finalist.repeats if repeat.has_final_status]
    return [best.metrics if (best := repeat.find_result(metric)) else None for repeat in ended]


SCORE_METRIC = "val/macro_f1"
_METRIC_COLUMNS = (SCORE_METRIC, "gap", "val/accuracy", "train/accuracy")


def find_pareto_front(trials: Sequence[TrialRecord], metric: str) -> list[ScoredTrial]:
    """Return the trials that no trial beats in both macro F1 and gap, the smallest gap first.

    Of equal trials, the first is returned.

    metric: decides the best epoch, at which a trial is compared.
    """

    def sort_key(trial: ScoredTrial) -> tuple[float, float]:
        return trial.metrics["gap"], -trial.metrics[SCORE_METRIC]

    front: list[ScoredTrial] = []
    for trial in sorted(score_trials(trials, metric), key=sort_key):
        if not front or sort_key(trial)[1] < sort_key(front[-1])[1]:
            front.append(trial)
    return front


def format_pareto_front_csv(trials: Sequence[TrialRecord], metric: str, space: SearchSpace) -> str:
    """Return the Pareto front as CSV: scores, and the parameters of each trial."""
    text = io.StringIO()
    columns = ["trial", "ended", "epoch", *_METRIC_COLUMNS, *space.parameters]
    table = csv.DictWriter(text, columns, lineterminator="\n")
    table.writeheader()
    for trial in find_pareto_front(trials, metric):
        status = {"trial": trial.number, "ended": trial.record.ending or "running"}
        scores = {name: trial.metrics[name] for name in _METRIC_COLUMNS}
        point = space.extract_point(trial.record.config.model_dump())
        table.writerow({**status, "epoch": trial.best_epoch.epoch, **scores, **point})
    return text.getvalue()


MIN_GROUP = 3  # trials in each of the groups that are compared


def find_majority_share(trials: Sequence[ScoredTrial]) -> float | None:
    """Return the accuracy of always naming the largest class of the validation split.

    None if the confusion matrix of no trial is known.
    """
    matrices = (trial.best_epoch.confusion for trial in trials)
    faces = next(([sum(row) for row in matrix] for matrix in matrices if matrix), [])
    return max(faces) / sum(faces) if any(faces) else None


def select_learnt_trials(trials: Sequence[ScoredTrial]) -> list[ScoredTrial]:
    """Return the trials whose accuracy beats always naming the largest class, in the same order.

    None has learnt if no confusion matrix is known (see `find_majority_share`).
    """
    share = find_majority_share(trials)
    return [t for t in trials if share is not None and t.metrics["val/accuracy"] > share]


def describe_unlearnt_trials(
    trials: Iterable[ScoredTrial], study_trials: Sequence[ScoredTrial]
) -> str:
    """Return a sentence, after a blank, about each trial that has not learnt.

    Empty if all have learnt, or if this is unknown.
    """
    share = find_majority_share(study_trials)
    return "".join(
        f" Trial {trial.number:03d} has not learnt: its accuracy is "
        f"{trial.metrics['val/accuracy']:.3f}, and that of always naming the largest class is "
        f"{share:.3f}."
        for trial in dict.fromkeys(trials)
        if share is not None and trial.metrics["val/accuracy"] <= share
    )


def explain_small_groups(groups: Mapping[str, Collection[object]], scope: str = "") -> str:
    """Return why groups of trials cannot be compared; empty if they can.

    groups: values of trials that have learnt, by what these have in common (`with 2 blocks`).
    scope: what all groups have in common, after a blank.
    """
    if all(len(values) >= MIN_GROUP for values in groups.values()):
        return ""
    listed = ", ".join(f"{len(values)} {name}" for name, values in groups.items())
    needed = "Three that have learnt are needed in each group."
    return f"Too few trials{scope} to compare: {listed}. {needed}"
