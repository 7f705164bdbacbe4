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
    """Bootstrap intervals of test scores; by class, in the order of the classes."""

    accuracy: ConfidenceInterval
    macro_f1: ConfidenceInterval
    precision: tuple[ConfidenceInterval, ...]
    recall: tuple[ConfidenceInterval, ...]
    f1: tuple[ConfidenceInterval, ...]


def bootstrap_intervals(
    confusion: NDArray[np.int64],  # (C, C) counts; rows truth, columns prediction
    seed: int = 0,
) -> ScoreIntervals:
    """Percentile intervals over resampled faces (Efron & Tibshirani 1993, chapter 13)."""
    draws, total = resample_confusion_matrix(confusion, RESAMPLES, seed), int(confusion.sum())
    right = np.diagonal(draws, axis1=1, axis2=2)  # (RESAMPLES, C), as all below
    told, faces = draws.sum(axis=1), draws.sum(axis=2)
    f1 = 2 * right / np.maximum(told + faces, 1)
    return ScoreIntervals(
        accuracy=_to_interval(right.sum(axis=1) / total),
        macro_f1=_to_interval(f1.mean(axis=1)),
        precision=tuple(map(_to_interval, (right / np.maximum(told, 1)).T)),
        recall=tuple(map(_to_interval, (right / np.maximum(faces, 1)).T)),
        f1=tuple(map(_to_interval, f1.T)),
    )


def resample_confusion_matrix(
    confusion: NDArray[np.int64], draws: int, seed: int = 0
) -> NDArray[np.int64]:
    """Confusion matrices of as many faces, drawn with replacement: (draws, C, C) from (C, C).

    They fill the cells as one multinomial draw does, so the faces themselves are not needed.
    """
    faces = int(confusion.sum())
    cells = np.random.default_rng(seed).multinomial(faces, confusion.ravel() / faces, draws)
    return cells.reshape(draws, *confusion.shape)


def find_percentile_interval(sampled: NDArray[np.float64]) -> NDArray[np.float64]:
    """The ends of the 95 % interval: (2, ...) from (draws, ...)."""
    return np.asarray(np.quantile(sampled, _TAIL_QUANTILES, axis=0), dtype=np.float64)


def _to_interval(values: NDArray[np.float64]) -> ConfidenceInterval:
    low, high = find_percentile_interval(values)
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
    from statsmodels.stats.contingency_tables import mcnemar

    if not truth.shape == ours.shape == theirs.shape:
        raise ValueError(f"{ours.shape} and {theirs.shape} predictions for {truth.shape} faces")
    us, them = ours == truth, theirs == truth
    both, only_ours = int((us & them).sum()), int((us & ~them).sum())
    only_theirs, neither = int((~us & them).sum()), int((~us & ~them).sum())
    test = mcnemar([[both, only_ours], [only_theirs, neither]], exact=True)
    return McNemarResult(both, only_ours, only_theirs, neither, float(test.pvalue))
