"""The best epoch of a trial so far, and the names of its metrics."""

import math

from fer_tune.tracking.tags import BEST
from fer_tune.training.metrics import EpochResult

_LESS_IS_BETTER = frozenset({"val/loss", "train/loss", "gap"})


def is_better(new: EpochResult, old: EpochResult | None, metric: str) -> bool:
    """Whether `new` beats `old` by `metric`; a tie keeps the earlier, NaN never wins."""
    if math.isnan(new.metrics[metric]):
        return False
    if old is None:
        return True
    if less_is_better(metric):
        return new.metrics[metric] < old.metrics[metric]
    return new.metrics[metric] > old.metrics[metric]


def less_is_better(metric: str) -> bool:
    """Whether a smaller value of `metric` is the better one."""
    return metric in _LESS_IS_BETTER


def best_name(metric: str) -> str:
    """val/macro_f1 becomes best/macro_f1, train/loss best/train_loss, gap best/gap."""
    return BEST + metric.removeprefix("val/").replace("/", "_")


def best_metrics(result: EpochResult) -> dict[str, float]:
    """`best/epoch` and a copy of each metric, but for those of single classes."""
    best = {f"{BEST}epoch": float(result.epoch)}
    for name, value in result.metrics.items():
        if not name.startswith("val_"):
            best[best_name(name)] = value
    return best
