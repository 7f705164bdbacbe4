"""Calibration: how far probabilities can be believed, and the temperature that corrects them."""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

BINS = 15  # of equal width, as in Guo et al. 2017, section 2
_TEMPERATURES = 0.1, 10.0  # range of the fit; a few faces without an error would give 0
_SMALLEST = 1e-30  # probability whose logarithm stands for that of 0


class ConfidenceBins(NamedTuple):
    """Sums over the faces of each bin, (BINS,): a reliability diagram shows their means.

    faces: number of faces.
    correct: number of faces that are predicted correctly.
    confidence: sum of the probabilities of the predicted classes.
    """

    faces: NDArray[np.float64]
    correct: NDArray[np.float64]
    confidence: NDArray[np.float64]


def measure_calibration_error(
    probabilities: NDArray[np.float64],  # (N, C)
    truth: NDArray[np.int64],  # (N,)
) -> float:
    """Return the expected calibration error (Guo et al. 2017, equation 5; arXiv 1706.04599).

    The faces are divided into bins by the probability of the predicted class. In each bin, the
    accuracy should equal the mean probability. The error is the mean difference over the faces.
    """
    bins = bin_by_confidence(probabilities, truth)
    return float(np.abs(bins.correct - bins.confidence).sum() / max(len(truth), 1))


def bin_by_confidence(
    probabilities: NDArray[np.float64],  # (N, C)
    truth: NDArray[np.int64],  # (N,)
) -> ConfidenceBins:
    """Return the faces divided into BINS bins by the probability of the predicted class."""
    confidence, correct = probabilities.max(axis=1), probabilities.argmax(axis=1) == truth
    bins = np.minimum((confidence * BINS).astype(np.int64), BINS - 1)
    weights = np.ones(len(bins)), correct, confidence
    return ConfidenceBins(*(np.bincount(bins, each, BINS).astype(np.float64) for each in weights))


def apply_temperature(
    probabilities: NDArray[np.float64],  # (N, C)
    temperature: float,
) -> NDArray[np.float64]:  # (N, C)
    """Return the softmax of the log-probabilities divided by the temperature.

    Above 1, the probabilities get closer to each other. The inverse temperature undoes it.
    """
    from scipy.special import softmax

    logits = np.log(np.maximum(probabilities, _SMALLEST)) / temperature
    return np.asarray(softmax(logits, axis=1), dtype=np.float64)


def fit_temperature(
    probabilities: NDArray[np.float64],  # (N, C)
    truth: NDArray[np.int64],  # (N,)
) -> float:
    """Return the temperature with the smallest mean cross-entropy on these faces.

    This is temperature scaling (Guo et al. 2017, section 4.2). No predicted class changes.
    """
    from scipy.optimize import minimize_scalar

    def measure_loss(log_temperature: float) -> float:
        scaled = apply_temperature(probabilities, float(np.exp(log_temperature)))
        return measure_cross_entropy(scaled, truth)

    found = minimize_scalar(measure_loss, bounds=np.log(_TEMPERATURES), method="bounded")
    return float(np.exp(found.x))


def measure_cross_entropy(
    probabilities: NDArray[np.float64],  # (N, C)
    truth: NDArray[np.int64],  # (N,)
) -> float:
    """Return the mean negative logarithm of the true class's probability, in nats."""
    true_ones = np.take_along_axis(probabilities, truth[:, None], axis=1)
    return float(-np.log(np.maximum(true_ones, _SMALLEST)).mean())
