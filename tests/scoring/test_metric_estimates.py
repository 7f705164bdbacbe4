from collections.abc import Callable

import numpy as np
import pytest

from fer_tune.data.faces import EMOTIONS
from fer_tune.scoring.metric_estimates import (
    Estimate,
    estimate_metric,
    estimate_metric_difference,
)
from fer_tune.scoring.metrics import EpochResult, Scores, build_epoch_metrics
from fer_tune.scoring.significance import ConfidenceInterval

Epoch = Callable[..., EpochResult]


@pytest.fixture
def epoch() -> Epoch:
    """Make an epoch's result: of 50 validation faces of each class, `right` are correct."""

    def make_result(number: int, right: int) -> EpochResult:
        scores = make_scores(*[right / 50] * len(EMOTIONS), faces=50)
        metrics = build_epoch_metrics(scores, scores, EMOTIONS) | {"gap": 0.1}
        return EpochResult(number, metrics, scores.confusion.tolist())

    return make_result


def make_scores(*recalls: float, faces: int) -> Scores:
    """Return scores of classes with equally many faces; a wrong face goes to the next class."""
    right = np.diag([round(faces * recall) for recall in recalls])
    return Scores(1.0, right + np.roll(np.diag(faces - np.diag(right)), 1, axis=1))


def test_an_interval_of_accuracy_is_as_wide_as_the_binomial_one() -> None:
    result = EpochResult(1, {"val/accuracy": 0.6}, [[300, 200], [200, 300]])
    interval = estimate_metric(result, "val/accuracy").interval
    assert interval
    low, high = interval
    expected = 1.96 * (0.6 * 0.4 / 1000) ** 0.5
    assert (high - low) / 2 == pytest.approx(expected, rel=0.1)
    assert low < 0.6 < high


@pytest.mark.parametrize(
    "metric", ["val/accuracy", "val/macro_f1", "gap", "val_f1/sad", "val_recall/happy"]
)
def test_a_metric_lies_in_its_interval(epoch: Epoch, metric: str) -> None:
    value, interval = estimate_metric(epoch(1, 30), metric)
    assert interval
    assert interval.low < value < interval.high


@pytest.mark.parametrize("metric", ["val/loss", "train/accuracy", "val/polarity_accuracy"])
def test_other_metrics_have_no_interval(epoch: Epoch, metric: str) -> None:
    assert estimate_metric(epoch(1, 30), metric).interval is None


def test_without_a_confusion_matrix_there_is_no_interval(epoch: Epoch) -> None:
    bare = EpochResult(1, epoch(1, 30).metrics, ())
    assert f"{estimate_metric(bare, 'val/macro_f1')}" == "0.600"
    assert estimate_metric_difference(bare, epoch(1, 20), "val/macro_f1").interval is None


def test_a_difference_has_a_wider_interval_than_its_terms(epoch: Epoch) -> None:
    difference = estimate_metric_difference(epoch(1, 40), epoch(1, 20), "val/macro_f1")
    assert difference.value == pytest.approx(0.4)
    assert difference.error_bars[0] > max(estimate_metric(epoch(1, 40), "val/macro_f1").error_bars)


@pytest.mark.parametrize(
    ("low", "high", "verdict"),
    [
        (0.01, 0.2, "unlikely to be chance"),
        (-0.2, -0.01, "unlikely to be chance"),
        (-0.01, 0.2, "may be chance"),
        (0.0, 0.2, "may be chance"),
    ],
)
def test_a_difference_may_be_chance_if_its_interval_contains_0(
    low: float, high: float, verdict: str
) -> None:
    difference = Estimate((low + high) / 2, ConfidenceInterval(low, high))
    assert difference.format_size().endswith(f" ({verdict})")


def test_a_difference_without_an_interval_has_no_verdict() -> None:
    assert Estimate(-0.1).format_size() == "0.100"
