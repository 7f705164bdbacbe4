"""The trade-off between macro F1 and the gap."""

import csv
import io
from collections.abc import Sequence

from fer_tune.scoring.metrics import EpochResult
from fer_tune.study.records.trial_record import TrialRecord
from fer_tune.study.search_space.space import SearchSpace

SCORE = "val/macro_f1"
_SHOWN = (SCORE, "gap", "val/accuracy", "train/accuracy")


def front(trials: Sequence[TrialRecord], metric: str) -> list[TrialRecord]:
    """The trials that no other beats in both, the smallest gap first.

    Each is taken at the epoch that scores it by `metric`. Of equal trials the first is there.
    """

    def place(trial: TrialRecord) -> tuple[float, float]:
        metrics = _scoring(trial, metric).metrics
        return metrics["gap"], -metrics[SCORE]

    found: list[TrialRecord] = []
    for each in sorted((trial for trial in trials if trial.history), key=place):
        if not found or place(each)[1] < place(found[-1])[1]:
            found.append(each)
    return found


def front_table(trials: Sequence[TrialRecord], metric: str, space: SearchSpace) -> str:
    """The front as CSV: scores, and the parameters that each trial has."""
    rows = [
        {
            "trial": each.number,
            "ended": each.ending or "running",
            "epoch": _scoring(each, metric).epoch,
            **{name: _scoring(each, metric).metrics[name] for name in _SHOWN},
            **space.point(each.config.model_dump()),
        }
        for each in front(trials, metric)
    ]
    columns = ["trial", "ended", "epoch", *_SHOWN, *space.parameters]
    text = io.StringIO()
    table = csv.DictWriter(text, columns, lineterminator="\n")
    table.writeheader()
    table.writerows(rows)
    return text.getvalue()


def _scoring(trial: TrialRecord, metric: str) -> EpochResult:
    best = trial.best(metric)
    assert best is not None
    return best
