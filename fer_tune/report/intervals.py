"""How far a number can be trusted."""

from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from fer_tune.scoring.metrics import EpochResult, Scores
from fer_tune.scoring.significance import find_percentile_interval, resample_confusion_matrix

BOOTSTRAP_SAMPLES = 1000

Measure = Callable[[Scores], float | NDArray[np.float64]]

_MEASURES: dict[str, Measure] = {
    "val/accuracy": lambda scores: scores.accuracy,
    "val/macro_f1": lambda scores: scores.macro_f1,
}


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


def bootstrap_measure(confusion: Sequence[Sequence[int]], measure: Measure) -> NDArray[np.float64]:
    """The measure on DRAWS samples with replacement of the faces that were counted.

    confusion: (C, C) counts.
    Returns (DRAWS, ...), the rest as `measure` gives it. The same counts give the same numbers.
    """
    sampled = resample_confusion_matrix(np.asarray(confusion, dtype=np.int64), BOOTSTRAP_SAMPLES)
    return np.array([measure(Scores(0.0, each)) for each in sampled])


def estimate_metric(result: EpochResult, metric: str) -> Estimate:
    """A metric of an epoch, with what chance in the choice of validation faces does to it.

    The gap's interval takes both of its accuracies to be of as many faces; where `balanced` left
    fewer training faces to measure on, it is too narrow.
    """
    value = result.metrics[metric]
    if not np.sum(result.confusion):
        return Estimate(value)
    if metric in _MEASURES:
        low, high = find_percentile_interval(bootstrap_measure(result.confusion, _MEASURES[metric]))
        return Estimate(value, float(low), float(high))
    if metric == "gap":
        validation = result.metrics["val/accuracy"]
        both = np.array([validation, validation + value])
        error = float(np.sqrt((both * (1 - both)).clip(0).sum() / np.sum(result.confusion)))
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


def pluralize(number: int, noun: str) -> str:
    """`1 trial`, `2 trials`."""
    return f"{number:,} {noun}" + ("" if number == 1 else "s")


def stdev(values: Sequence[float]) -> float:
    """Their standard deviation; 0 of a single one."""
    return float(np.std(values, ddof=1)) if len(values) > 1 else 0.0
