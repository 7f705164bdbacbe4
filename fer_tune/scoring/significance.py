"""Bootstrap intervals of scores, and McNemar's test of two models."""

import math
from collections.abc import Sequence
from statistics import mean, stdev
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from fer_tune.common.safe_text import pluralize
from fer_tune.scoring.metrics import Scores

SIGNIFICANCE_LEVEL = 0.05  # a difference with a p below is significant
RESAMPLES = 2000
_TAIL_QUANTILES = (0.025, 0.975)  # 95 of 100 intervals contain the true value


class ConfidenceInterval(NamedTuple):
    """A 95 % interval."""

    low: float
    high: float


class ScoreIntervals(NamedTuple):
    """Bootstrap intervals of a model's scores.

    precision, recall, f1: of each class, then of the mean over the classes.
    """

    accuracy: ConfidenceInterval
    precision: tuple[ConfidenceInterval, ...]
    recall: tuple[ConfidenceInterval, ...]
    f1: tuple[ConfidenceInterval, ...]


def bootstrap_intervals(
    confusion: NDArray[np.int64],  # (C, C) counts; rows truth, columns prediction
) -> ScoreIntervals:
    """Return percentile intervals over resampled faces (Efron & Tibshirani 1993, chapter 13)."""
    total = int(confusion.sum())
    # One multinomial draw fills the cells as resampling the faces with replacement does.
    cells = np.random.default_rng(0).multinomial(total, confusion.ravel() / total, RESAMPLES)
    samples = Scores(math.nan, cells.reshape(RESAMPLES, *confusion.shape))
    (accuracy,) = _to_intervals(np.trace(samples.confusion, axis1=1, axis2=2)[:, None] / total)
    by_class = (samples.precision, samples.recall, samples.f1)  # each (RESAMPLES, C)
    columns = (np.column_stack([values, values.mean(axis=1)]) for values in by_class)
    return ScoreIntervals(accuracy, *map(_to_intervals, columns))


def judge_difference(evidence: ConfidenceInterval | float) -> str:
    """Return in words whether a difference may be chance.

    evidence: the 95 % interval of the difference, or the p-value of a test.
    """
    if isinstance(evidence, ConfidenceInterval):
        may_be_chance = evidence.low <= 0 <= evidence.high
    else:
        may_be_chance = evidence >= SIGNIFICANCE_LEVEL
    return "may be chance" if may_be_chance else "unlikely to be chance"


def judge_mean(values: Sequence[float]) -> str:
    """Return in words whether the mean of two or more differences may be chance (Student's t)."""
    from scipy.stats import t

    error = float(t.ppf(0.975, len(values) - 1)) * stdev(values) / len(values) ** 0.5
    return judge_difference(ConfidenceInterval(mean(values) - error, mean(values) + error))


def compare_groups(first: Sequence[float], second: Sequence[float]) -> float:
    """Return the p-value of a difference of two groups (Mann & Whitney 1947), two-sided."""
    from scipy.stats import mannwhitneyu

    return float(mannwhitneyu(first, second).pvalue)


def _to_intervals(
    samples: NDArray[np.float64],  # (RESAMPLES, number of scores)
) -> tuple[ConfidenceInterval, ...]:
    limits = np.quantile(samples, _TAIL_QUANTILES, axis=0)
    return tuple(map(ConfidenceInterval._make, limits.T.tolist()))


class McNemarResult(NamedTuple):
    """The result of McNemar's test of two models on the same faces.

    ours: faces that only this model predicts correctly.
    theirs: faces that only the other model predicts correctly.
    p: p-value of McNemar's exact test (1947), two-sided.
    """

    ours: int
    theirs: int
    p: float

    @property
    def is_better(self) -> bool:
        """Whether this model is significantly better than the other."""
        return self.p < SIGNIFICANCE_LEVEL and self.ours > self.theirs

    @property
    def verdict(self) -> str:
        """The result in a few words."""
        if self.p >= SIGNIFICANCE_LEVEL:
            return "not significantly different"
        return "better" if self.is_better else "worse"

    def build_metrics(self, other: str) -> dict[str, float]:
        """Return the result by the names of metrics in MLflow: `against_<other>/p`, ..."""
        values = {"p": self.p, "told_alone": self.ours, "told_by_other_alone": self.theirs}
        return {f"against_{other}/{name}": value for name, value in values.items()}

    def __str__(self) -> str:
        p = f"p = {self.p:.3f}" if self.p >= 0.001 else "p < 0.001"
        return (
            f"{self.verdict} ({pluralize(self.ours, 'face')} correct by this model only, "
            f"{self.theirs:,} by the other only, McNemar's {p}: {judge_difference(self.p)})"
        )


def run_mcnemar_test(
    truth: NDArray[np.int64],  # (N,)
    ours: NDArray[np.int64],  # (N,) predictions
    theirs: NDArray[np.int64],  # (N,) predictions for the same faces in the same order
) -> McNemarResult:
    """Return McNemar's exact test of two models on the same faces.

    Raises ValueError for different numbers of faces.
    """
    from scipy.stats import binom

    if not truth.shape == ours.shape == theirs.shape:
        raise ValueError(f"{ours.shape} and {theirs.shape} predictions for {truth.shape} faces")
    only_ours = int(((ours == truth) & (theirs != truth)).sum())
    only_theirs = int(((ours != truth) & (theirs == truth)).sum())
    # Two models that never differ have p 1: binom.cdf(0, 0, 0.5) is 1.
    tail = binom.cdf(min(only_ours, only_theirs), only_ours + only_theirs, 0.5)
    return McNemarResult(only_ours, only_theirs, min(1.0, 2 * float(tail)))
