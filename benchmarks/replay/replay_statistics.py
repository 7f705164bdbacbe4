"""What the runs of a system say: how good its best trial is, and what finding it took."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate

import numpy as np
from numpy.typing import NDArray

from benchmarks.replay.study_simulator import SimulatedEpoch

RESAMPLE_COUNT = 2000


@dataclass(frozen=True)
class ReplayedStudy:
    """A study that was replayed.

    epochs: that it was let run, of all its trials together.
    gains: each time its best score rose: the epochs and the seconds until then, and the score.
    """

    system: str
    workers: int
    seed: int
    epochs: int
    gains: tuple[tuple[int, float, float], ...]

    def find_best_scores(self, epochs: NDArray[np.int64]) -> NDArray[np.float64]:
        """(E,) the best score after so many epochs, NaN before the first."""
        at = np.searchsorted([gain[0] for gain in self.gains], epochs, side="right")
        return np.array([np.nan, *(gain[2] for gain in self.gains)])[at]

    def count_epochs_to_score(self, score: float) -> float:
        """The epochs until a trial had this score; infinite where none had."""
        return next((float(gain[0]) for gain in self.gains if gain[2] >= score), np.inf)


def summarize_study(
    key: tuple[str, int, int], epochs: int, simulated: Sequence[SimulatedEpoch]
) -> ReplayedStudy:
    """name: of the system, its workers and its seed."""
    best = list(accumulate((each.score for each in simulated), max))
    gains = tuple(
        (count + 1, round(each.time, 1), each.score)
        for count, each in enumerate(simulated)
        if count == 0 or each.score > best[count - 1]
    )
    return ReplayedStudy(*key, epochs, gains)


@dataclass(frozen=True)
class Estimate:
    """A figure with its 95 % bootstrap interval over seeds; infinite beyond the epochs run."""

    value: float
    low: float
    high: float


def estimate_epochs_to_score(runs: Sequence[ReplayedStudy], score: float) -> Estimate:
    """Median epochs until a trial had the score."""
    reached = np.array([run.count_epochs_to_score(score) for run in runs])
    return _make_estimate(_take_upper_median(reached), _take_upper_median(_resample_seeds(reached)))


def estimate_epoch_ratio(
    ours: Sequence[ReplayedStudy], theirs: Sequence[ReplayedStudy], score: float
) -> Estimate:
    """Of the median epochs until a trial had the score: ours over theirs, seeds drawn apart.

    Theirs count as the epochs that they were let run where they did not get there, which makes
    the ratio too large rather than too small.
    """
    a = np.array([run.count_epochs_to_score(score) for run in ours])
    b = np.array([min(run.count_epochs_to_score(score), run.epochs) for run in theirs])
    return _make_estimate(
        _take_upper_median(a) / _take_upper_median(b),
        _take_upper_median(_resample_seeds(a)) / _take_upper_median(_resample_seeds(b, 1)),
    )


def estimate_best_so_far(
    runs: Sequence[ReplayedStudy], epochs: NDArray[np.int64]
) -> NDArray[np.float64]:
    """(3, E): the median best score after so many epochs, and the ends of its interval."""
    curves = np.stack([run.find_best_scores(epochs) for run in runs])
    medians = np.median(_resample_seeds(curves), axis=1)
    return np.stack([np.median(curves, axis=0), *np.percentile(medians, (2.5, 97.5), axis=0)])


def _resample_seeds(values: NDArray[np.float64], seed: int = 0) -> NDArray[np.float64]:
    """(RESAMPLES, N, ...) the seeds' values, seeds drawn with replacement."""
    drawn = np.random.default_rng(seed).integers(0, len(values), (RESAMPLE_COUNT, len(values)))
    return np.asarray(values[drawn])


def _take_upper_median(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Over the last axis, without averaging: half of an infinite time is no time."""
    return np.asarray(np.quantile(values, 0.5, axis=-1, method="higher"))


def _make_estimate(value: NDArray[np.float64], resampled: NDArray[np.float64]) -> Estimate:
    low, high = np.quantile(resampled, (0.025, 0.975), method="nearest")
    return Estimate(float(value), float(low), float(high))
