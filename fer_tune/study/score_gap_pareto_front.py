"""The Pareto front of validation macro F1 and the generalization gap."""

import csv
import io
from collections.abc import Sequence

from fer_tune.study.ranking import ScoredTrial, score_trials
from fer_tune.study.records.trial_record import TrialRecord
from fer_tune.study.search_space.space import SearchSpace

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
        table.writerow(
            {
                "trial": trial.number,
                "ended": trial.record.ending or "running",
                "epoch": trial.best_epoch.epoch,
                **{name: trial.metrics[name] for name in _METRIC_COLUMNS},
                **space.extract_point(trial.record.config.model_dump()),
            }
        )
    return text.getvalue()
