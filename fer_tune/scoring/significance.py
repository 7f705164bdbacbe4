"""How sure a test score is, and whether one model is better than another; no torch."""

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

SIGNIFICANCE_LEVEL = 0.05  # a p below it decides
RESAMPLES = 2000
_TAIL_QUANTILES = (0.025, 0.975)  # of 100 intervals, 95 hold the true value


class ConfidenceInterval(NamedTuple):
    """A 95 % interval."""

    low: float
    high: float

    def __str__(self) -> str:
        return f"{self.low:.3f} to {self.high:.3f}"


@dataclass(frozen=True)
class ScoreIntervals:
    """Bootstrap intervals of a model's scores; those by class are in the order of the classes.

    macro_precision, macro_recall, macro_f1: of the mean over classes.
    """

    accuracy: ConfidenceInterval
    macro_precision: ConfidenceInterval
    macro_recall: ConfidenceInterval
    macro_f1: ConfidenceInterval
    precision: tuple[ConfidenceInterval, ...]
    recall: tuple[ConfidenceInterval, ...]
    f1: tuple[ConfidenceInterval, ...]


def bootstrap_intervals(
    confusion: NDArray[np.int64],  # (C, C) counts; rows truth, columns prediction
    seed: int = 0,
) -> ScoreIntervals:
    """Return percentile intervals over resampled faces (Efron & Tibshirani 1993, chapter 13)."""
    total = int(confusion.sum())
    # One multinomial draw fills the cells as resampling the faces with replacement does.
    rng = np.random.default_rng(seed)
    cells = rng.multinomial(total, confusion.ravel() / total, RESAMPLES)
    samples = cells.reshape(RESAMPLES, *confusion.shape)
    correct = np.diagonal(samples, axis1=1, axis2=2)  # (RESAMPLES, C), as all below
    predicted, faces = samples.sum(axis=1), samples.sum(axis=2)
    precision = correct / np.maximum(predicted, 1)
    recall = correct / np.maximum(faces, 1)
    f1 = 2 * correct / np.maximum(predicted + faces, 1)
    return ScoreIntervals(
        accuracy=_to_interval(correct.sum(axis=1) / total),
        macro_precision=_to_interval(precision.mean(axis=1)),
        macro_recall=_to_interval(recall.mean(axis=1)),
        macro_f1=_to_interval(f1.mean(axis=1)),
        precision=tuple(map(_to_interval, precision.T)),
        recall=tuple(map(_to_interval, recall.T)),
        f1=tuple(map(_to_interval, f1.T)),
    )


def _to_interval(
    samples: NDArray[np.float64],  # (RESAMPLES,)
) -> ConfidenceInterval:
    low, high = np.quantile(samples, _TAIL_QUANTILES)
    return ConfidenceInterval(float(low), float(high))


@dataclass(frozen=True)
class McNemarResult:
    """Two models on the same faces.

    both, ours, theirs, neither: faces that both tell rightly, this model alone, the other alone,
        and none of them.
    p: of McNemar's exact test (1947): how often two equally good models differ as much.
    """

    both: int
    ours: int
    theirs: int
    neither: int
    p: float

    @property
    def is_better(self) -> bool:
        """Whether this model is better than the other, beyond chance."""
        return self.p < SIGNIFICANCE_LEVEL and self.ours > self.theirs

    @property
    def verdict(self) -> str:
        """What the test says, in a few words."""
        if self.p >= SIGNIFICANCE_LEVEL:
            return "no difference beyond chance"
        return "better" if self.is_better else "worse"

    def __str__(self) -> str:
        p = f"p = {self.p:.3f}" if self.p >= 0.001 else "p < 0.001"
        return (
            f"{self.verdict} ({self.ours:,} test faces told by this model alone, "
            f"{self.theirs:,} by the other alone, McNemar's {p})"
        )


def run_mcnemar_test(
    truth: NDArray[np.int64],  # (N,)
    ours: NDArray[np.int64],  # (N,) predictions
    theirs: NDArray[np.int64],  # (N,) predictions, of the same faces in the same order
) -> McNemarResult:
    """McNemar's exact test of two models that were asked about the same faces.

    Raises ValueError where they were not.
    """
    from scipy.stats import binom

    if not truth.shape == ours.shape == theirs.shape:
        raise ValueError(f"{ours.shape} and {theirs.shape} predictions for {truth.shape} faces")
    us, them = ours == truth, theirs == truth
    both, only_ours = int((us & them).sum()), int((us & ~them).sum())
    only_theirs, neither = int((~us & them).sum()), int((~us & ~them).sum())
    # Two-sided. Two models that never differ have p 1: binom.cdf(0, 0, 0.5) is 1.
    tail = binom.cdf(min(only_ours, only_theirs), only_ours + only_theirs, 0.5)
    return McNemarResult(both, only_ours, only_theirs, neither, min(1.0, 2 * float(tail)))
