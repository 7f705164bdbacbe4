import pytest

from benchmarks.benchmark_result import Row, Target


def test_a_row_is_judged_by_the_median_of_its_samples() -> None:
    row = Row("a", "speed", "x", [9.0, 2.0, 2.6], Target("at least", 2.5))
    assert row.value == 2.6
    assert row.spread == (2.0, 9.0)
    assert row.met


@pytest.mark.parametrize(("value", "met"), [(1.05, True), (1.06, False)])
def test_a_bound_is_itself_within_the_target(value: float, met: bool) -> None:
    assert Row("d", "share", "x", [value], Target("at most", 1.05)).met is met


def test_where_nothing_is_asked_nothing_is_missed() -> None:
    assert Row("c", "for comparison", "x", [0.1]).met is None
