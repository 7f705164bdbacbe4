import numpy as np
import pytest
from numpy.typing import NDArray

from fer_tune.scoring.calibration import (
    apply_temperature,
    fit_temperature,
    measure_calibration_error,
    measure_cross_entropy,
)


@pytest.fixture
def calibrated() -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """Return probabilities, and classes that were drawn with them."""
    rng = np.random.default_rng(0)
    probabilities = rng.dirichlet([0.5] * 4, 20_000)
    truth = (probabilities.cumsum(axis=1) < rng.random((20_000, 1))).sum(axis=1)
    return probabilities, truth.clip(0, 3)


def test_the_error_is_the_mean_difference_of_accuracy_and_probability() -> None:
    probabilities = np.array([[0.9, 0.1], [0.9, 0.1], [0.4, 0.6], [0.4, 0.6]])
    error = measure_calibration_error(probabilities, np.array([0, 1, 1, 1]))
    assert error == pytest.approx((0.4 + 0.4) / 2)
    sure = np.eye(2)
    assert measure_calibration_error(sure, np.array([0, 1])) == 0
    assert measure_calibration_error(sure, np.array([1, 0])) == 1


@pytest.mark.parametrize("temperature", [0.4, 1.0, 2.5])
def test_the_fit_finds_the_temperature_that_was_taken_away(
    calibrated: tuple[NDArray[np.float64], NDArray[np.int64]], temperature: float
) -> None:
    honest, truth = calibrated
    wrong = apply_temperature(honest, 1 / temperature)
    assert fit_temperature(wrong, truth) == pytest.approx(temperature, rel=0.05)
    if temperature != 1:
        error = measure_calibration_error(wrong, truth)
        assert measure_calibration_error(honest, truth) < error / 4
        assert measure_cross_entropy(honest, truth) < measure_cross_entropy(wrong, truth)


def test_a_temperature_can_be_undone_and_changes_no_predicted_class(
    calibrated: tuple[NDArray[np.float64], NDArray[np.int64]],
) -> None:
    honest, _ = calibrated
    softer = apply_temperature(honest, 3)
    np.testing.assert_allclose(softer.sum(axis=1), 1)
    np.testing.assert_array_equal(softer.argmax(axis=1), honest.argmax(axis=1))
    np.testing.assert_allclose(apply_temperature(softer, 1 / 3), honest, atol=1e-12)


def test_faces_without_an_error_give_a_temperature_within_the_range() -> None:
    assert 0.1 <= fit_temperature(np.array([[0.8, 0.2], [0.3, 0.7]]), np.array([0, 1])) < 0.2
