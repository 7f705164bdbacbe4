"""The best epoch of a trial so far, and the names of its metrics."""

import math

from fer_tune.tracking.tags import BEST
from fer_tune.training.metrics import EpochResult, improves


def is_better(new: EpochResult, old: EpochResult | None, metric: str) -> bool:
    """Whether `new` beats `old` by `metric`; a tie keeps the earlier, NaN never wins."""
    value = new.metrics[metric]
    return not math.isnan(value) and improves(metric, value, old.metrics[metric] if old else None)


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
