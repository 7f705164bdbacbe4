import pytest

from benchmarks.benchmark_types import BenchmarkResult, Target


def test_a_row_is_judged_by_the_median_of_its_samples() -> None:
    row = BenchmarkResult("a", "speed", "x", [9.0, 2.0, 2.6], Target("at least", 2.5))
    assert row.median == 2.6
    assert row.min_and_max == (2.0, 9.0)
    assert row.is_met


@pytest.mark.parametrize(("value", "met"), [(1.05, True), (1.06, False)])
def test_a_bound_is_itself_within_the_target(value: float, met: bool) -> None:
    assert BenchmarkResult("d", "share", "x", [value], Target("at most", 1.05)).is_met is met


def test_a_row_without_a_target_is_neither_met_nor_missed() -> None:
    assert BenchmarkResult("c", "for comparison", "x", [0.1]).is_met is None
