"""The trade-off between macro F1 and the gap."""

import csv
import io
from collections.abc import Sequence

from fer_tune.study.ranking import ScoredTrial, score_trials
from fer_tune.study.records.trial_record import TrialRecord
from fer_tune.study.search_space.space import SearchSpace

SCORE_METRIC = "val/macro_f1"
_METRIC_COLUMNS = (SCORE_METRIC, "gap", "val/accuracy", "train/accuracy")


def find_pareto_front(trials: Sequence[TrialRecord], metric: str) -> list[ScoredTrial]:
    """The trials that no other beats in both, the smallest gap first.

    Each is taken at the epoch that scores it by `metric`. Of equal trials the first is there.
    """

    def sort_key(trial: ScoredTrial) -> tuple[float, float]:
        return trial.metrics["gap"], -trial.metrics[SCORE_METRIC]

    front: list[ScoredTrial] = []
    for trial in sorted(score_trials(trials, metric), key=sort_key):
        if not front or sort_key(trial)[1] < sort_key(front[-1])[1]:
            front.append(trial)
    return front


def format_pareto_front_csv(trials: Sequence[TrialRecord], metric: str, space: SearchSpace) -> str:
    """The front as CSV: scores, and the parameters that each trial has."""
    rows = [
        {
            "trial": each.number,
            "ended": each.record.ending or "running",
            "epoch": each.best_epoch.epoch,
            **{name: each.metrics[name] for name in _METRIC_COLUMNS},
            **space.extract_point(each.record.config.model_dump()),
        }
        for each in find_pareto_front(trials, metric)
    ]
    columns = ["trial", "ended", "epoch", *_METRIC_COLUMNS, *space.parameters]
    text = io.StringIO()
    table = csv.DictWriter(text, columns, lineterminator="\n")
    table.writeheader()
    table.writerows(rows)
    return text.getvalue()
