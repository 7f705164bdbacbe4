"""How far a number can be trusted."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from fer_tune.scoring.metrics import EpochResult
from fer_tune.scoring.significance import bootstrap_intervals


class Estimate(NamedTuple):
    """A number with its 95 % interval, where it has one."""

    value: float
    low: float | None = None
    high: float | None = None

    def __str__(self) -> str:
        if self.low is None or self.high is None:
            return f"{self.value:.3f}"
        return f"{self.value:.3f} ({self.low:.3f} to {self.high:.3f})"

    @property
    def error_bars(self) -> tuple[float, float]:
        """How far the interval goes below and above the value."""
        low = self.value if self.low is None else self.low
        high = self.value if self.high is None else self.high
        return max(self.value - low, 0.0), max(high - self.value, 0.0)


def estimate_metric(result: EpochResult, metric: str) -> Estimate:
    """A metric of an epoch, with what chance in the choice of validation faces does to it.

    The gap's interval takes both of its accuracies to be of as many faces; where `balanced` left
    fewer training faces to measure on, it is too narrow.
    """
    value, confusion = result.metrics[metric], np.asarray(result.confusion, dtype=np.int64)
    if not confusion.sum():
        return Estimate(value)
    if metric in ("val/accuracy", "val/macro_f1"):
        intervals = bootstrap_intervals(confusion)
        return Estimate(
            value, *(intervals.accuracy if metric == "val/accuracy" else intervals.macro_f1)
        )
    if metric == "gap":
        validation = result.metrics["val/accuracy"]
        both = np.array([validation, validation + value])
        error = float(np.sqrt((both * (1 - both)).clip(0).sum() / confusion.sum()))
        return Estimate(value, value - 1.96 * error, value + 1.96 * error)
    return Estimate(value)


def estimate_difference(better: EpochResult, other: EpochResult, metric: str) -> Estimate:
    """How much a metric of one epoch is above the other's.

    The two are taken as measured on different faces; on the same ones, as they are, the interval
    is rather too wide.
    """
    value = better.metrics[metric] - other.metrics[metric]
    first, second = estimate_metric(better, metric), estimate_metric(other, metric)
    if first.low is None or second.low is None:
        return Estimate(value)
    below = float(np.hypot(first.error_bars[0], second.error_bars[1]))
    above = float(np.hypot(first.error_bars[1], second.error_bars[0]))
    return Estimate(value, value - below, value + above)


def stdev(values: Sequence[float]) -> float:
    """Their standard deviation; 0 of a single one."""
    return float(np.std(values, ddof=1)) if len(values) > 1 else 0.0
