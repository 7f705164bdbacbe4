"""Estimates: metrics with their confidence intervals, and their differences."""

from typing import NamedTuple

import numpy as np

from fer_tune.scoring.metrics import EpochResult, parse_classes
from fer_tune.scoring.significance import ConfidenceInterval, bootstrap_intervals, judge_difference


class Estimate(NamedTuple):
    """A number and its 95 % interval, if it has one."""

    value: float
    interval: ConfidenceInterval | None = None

    def __format__(self, spec: str) -> str:
        """Return `0.612 (0.598 to 0.626)`; `spec` formats each number, `.3f` by default."""
        numbers = [f"{number:{spec or '.3f'}}" for number in (self.value, *(self.interval or ()))]
        return "{} ({} to {})".format(*numbers) if self.interval else numbers[0]

    def __str__(self) -> str:
        return format(self)

    def __sub__(self, other: "Estimate") -> "Estimate":
        """Return the difference; its interval assumes that the two are independent."""
        value = self.value - other.value
        if not (self.interval and other.interval):
            return Estimate(value)
        below = float(np.hypot(self.error_bars[0], other.error_bars[1]))
        above = float(np.hypot(self.error_bars[1], other.error_bars[0]))
        return Estimate(value, ConfidenceInterval(value - below, value + above))

    def format_size(self) -> str:
        """Return the size of a difference, with a verdict if it has an interval.

        For example, `0.012 (may be chance)`.
        """
        verdict = f" ({judge_difference(self.interval)})" if self.interval else ""
        return f"{abs(self.value):.3f}{verdict}"

    @property
    def error_bars(self) -> tuple[float, float]:
        """Lengths of the interval below and above the value."""
        low, high = self.interval or (self.value, self.value)
        return max(self.value - low, 0.0), max(high - self.value, 0.0)


def estimate_metric(result: EpochResult, metric: str) -> Estimate:
    """Return a metric of an epoch; its interval shows the influence of the validation faces.

    Accuracy, macro F1, the scores of single classes and the gap have an interval if the epoch's
    confusion matrix is known. The gap's interval assumes as many training as validation faces. It
    is too narrow if the data plan `balanced` leaves fewer training faces.
    """
    value, confusion = result.metrics[metric], np.asarray(result.confusion, dtype=np.int64)
    if not confusion.sum():
        return Estimate(value)
    if metric == "gap":
        validation = result.metrics["val/accuracy"]
        both = np.array([validation, validation + value])
        error = 1.96 * float(np.sqrt((both * (1 - both)).clip(0).sum() / confusion.sum()))
        return Estimate(value, ConfidenceInterval(value - error, value + error))
    intervals, classes = bootstrap_intervals(confusion), parse_classes(result.metrics)
    measure, _, name = metric.removeprefix("val_").partition("/")
    if metric == "val/accuracy":
        return Estimate(value, intervals.accuracy)
    if metric == "val/macro_f1":
        return Estimate(value, intervals.f1[-1])
    if measure in ("precision", "recall", "f1") and len(classes) == len(confusion):
        return Estimate(value, getattr(intervals, measure)[classes.index(name)])
    return Estimate(value)


def estimate_metric_difference(better: EpochResult, other: EpochResult, metric: str) -> Estimate:
    """Return how much larger a metric is in one epoch than in another.

    The interval assumes different validation faces for the two. Both have the same faces, so it
    is rather too wide.
    """
    return estimate_metric(better, metric) - estimate_metric(other, metric)
