"""The trade-off between macro F1 and the gap."""

import csv
import io
from collections.abc import Sequence

from fer_tune.scoring.metrics import EpochResult
from fer_tune.study.records.trial_record import TrialRecord
from fer_tune.study.search_space.space import SearchSpace

SCORE_METRIC = "val/macro_f1"
_METRIC_COLUMNS = (SCORE_METRIC, "gap", "val/accuracy", "train/accuracy")


def find_pareto_front(trials: Sequence[TrialRecord], metric: str) -> list[TrialRecord]:
    """The trials that no other beats in both, the smallest gap first.

    Each is taken at the epoch that scores it by `metric`. Of equal trials the first is there.
    """

    def sort_key(trial: TrialRecord) -> tuple[float, float]:
        metrics = _find_best_epoch(trial, metric).metrics
        return metrics["gap"], -metrics[SCORE_METRIC]

    found: list[TrialRecord] = []
    for each in sorted((trial for trial in trials if trial.history), key=sort_key):
        if not found or sort_key(each)[1] < sort_key(found[-1])[1]:
            found.append(each)
    return found


def format_pareto_front_csv(trials: Sequence[TrialRecord], metric: str, space: SearchSpace) -> str:
    """The front as CSV: scores, and the parameters that each trial has."""
    rows = [
        {
            "trial": each.number,
            "ended": each.ending or "running",
            "epoch": _find_best_epoch(each, metric).epoch,
            **{name: _find_best_epoch(each, metric).metrics[name] for name in _METRIC_COLUMNS},
            **space.extract_point(each.config.model_dump()),
        }
        for each in find_pareto_front(trials, metric)
    ]
    columns = ["trial", "ended", "epoch", *_METRIC_COLUMNS, *space.parameters]
    text = io.StringIO()
    table = csv.DictWriter(text, columns, lineterminator="\n")
    table.writeheader()
    table.writerows(rows)
    return text.getvalue()


def _find_best_epoch(trial: TrialRecord, metric: str) -> EpochResult:
    best = trial.find_best_epoch(metric)
    assert best is not None
    return best
