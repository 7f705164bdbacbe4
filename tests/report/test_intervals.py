from collections.abc import Callable

import pytest

from fer_tune.report.intervals import estimate_metric, estimate_metric_difference
from fer_tune.scoring.metrics import EpochResult

Epoch = Callable[..., EpochResult]


def test_an_interval_of_accuracy_is_as_wide_as_the_binomial_one() -> None:
    result = EpochResult(1, {"val/accuracy": 0.6}, [[300, 200], [200, 300]])
    interval = estimate_metric(result, "val/accuracy").interval
    assert interval
    low, high = interval
    expected = 1.96 * (0.6 * 0.4 / 1000) ** 0.5
    assert (high - low) / 2 == pytest.approx(expected, rel=0.1)
    assert low < 0.6 < high


@pytest.mark.parametrize("metric", ["val/accuracy", "val/macro_f1", "gap"])
def test_a_metric_lies_in_its_interval(epoch: Epoch, metric: str) -> None:
    value, interval = estimate_metric(epoch(1, 30), metric)
    assert interval
    assert interval.low < value < interval.high


def test_without_a_confusion_matrix_there_is_no_interval(epoch: Epoch) -> None:
    bare = EpochResult(1, epoch(1, 30).metrics, ())
    assert f"{estimate_metric(bare, 'val/macro_f1')}" == "0.600"
    assert estimate_metric_difference(bare, epoch(1, 20), "val/macro_f1").interval is None


def test_a_difference_has_a_wider_interval_than_its_terms(epoch: Epoch) -> None:
    difference = estimate_metric_difference(epoch(1, 40), epoch(1, 20), "val/macro_f1")
    assert difference.value == pytest.approx(0.4)
    assert difference.error_bars[0] > max(estimate_metric(epoch(1, 40), "val/macro_f1").error_bars)
