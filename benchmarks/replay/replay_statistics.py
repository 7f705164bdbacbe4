"""Statistics of replayed studies: the best score, and the epochs until a score is reached."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from itertools import accumulate
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from benchmarks.replay.study_simulator import SimulatedEpoch

RESAMPLE_COUNT = 2000


@dataclass(frozen=True)
class ReplayedStudy:
    """Replayed study.

    epochs: epochs of the study, over all its trials.
    gains: epochs, seconds and score at each rise of the best score.
    """

    system: str
    workers: int
    seed: int
    epochs: int
    gains: tuple[tuple[int, float, float], ...]

    @classmethod
    def from_line(cls, line: Mapping[str, Any]) -> Self:
        """Return the study of a line, which may have further keys."""
        values = {field.name: line[field.name] for field in fields(cls)}
        return cls(**values | {"gains": tuple(map(tuple, line["gains"]))})

    def find_best_scores(self, epochs: NDArray[np.int64]) -> NDArray[np.float64]:
        """Return the best score (E,) after so many epochs; NaN before the first epoch."""
        index = np.searchsorted([gain[0] for gain in self.gains], epochs, side="right")
        return np.array([np.nan, *(gain[2] for gain in self.gains)])[index]

    def count_epochs_to_score(self, score: float) -> float:
        """Count the epochs until a trial reaches the score; infinite if no trial does."""
        return next((float(gain[0]) for gain in self.gains if gain[2] >= score), np.inf)


def summarize_study(
    key: tuple[str, int, int], epochs: int, simulated: Sequence[SimulatedEpoch]
) -> ReplayedStudy:
    """Summarize a study's epochs.

    key: system, workers and seed.
    epochs: epochs that the study may use.
    """
    best = list(accumulate((epoch.score for epoch in simulated), max))
    gains = tuple(
        (count + 1, round(epoch.time, 1), epoch.score)
        for count, epoch in enumerate(simulated)
        if count == 0 or epoch.score > best[count - 1]
    )
    return ReplayedStudy(*key, epochs, gains)


@dataclass(frozen=True)
class Estimate:
    """Value with its 95 % bootstrap interval over seeds; infinite if not reached."""

    value: float
    low: float
    high: float


def estimate_epochs_to_score(runs: Sequence[ReplayedStudy], score: float) -> Estimate:
    """Estimate the median epochs until a trial reaches the score."""
    reached = np.array([run.count_epochs_to_score(score) for run in runs])
    return _make_estimate(_take_upper_median(reached), _take_upper_median(_resample_seeds(reached)))


def estimate_epoch_ratio(
    ours: Sequence[ReplayedStudy], theirs: Sequence[ReplayedStudy], score: float
) -> Estimate:
    """Estimate the ratio of the median epochs until the score: ours over theirs.

    A study of theirs that never reaches the score counts with its full budget of epochs. The true
    ratio is then even smaller. Seeds are resampled independently.
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
    """Return the median best score after so many epochs, and its interval's ends: (3, E)."""
    curves = np.stack([run.find_best_scores(epochs) for run in runs])
    medians = np.median(_resample_seeds(curves), axis=1)
    return np.stack([np.median(curves, axis=0), *np.percentile(medians, (2.5, 97.5), axis=0)])


def _resample_seeds(values: NDArray[np.float64], seed: int = 0) -> NDArray[np.float64]:
    """Return the values of seeds drawn with replacement: (RESAMPLE_COUNT, N, ...)."""
    drawn = np.random.default_rng(seed).integers(0, len(values), (RESAMPLE_COUNT, len(values)))
    return np.asarray(values[drawn])


def _take_upper_median(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the median over the last axis, without averaging infinite values."""
    return np.asarray(np.quantile(values, 0.5, axis=-1, method="higher"))


def _make_estimate(value: NDArray[np.float64], resampled: NDArray[np.float64]) -> Estimate:
    low, high = np.quantile(resampled, (0.025, 0.975), method="nearest")
    return Estimate(float(value), float(low), float(high))
