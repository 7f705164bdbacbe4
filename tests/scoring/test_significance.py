from fractions import Fraction
from math import comb

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from numpy.typing import NDArray
from sklearn.metrics import confusion_matrix, f1_score

from fer_tune.scoring.metrics import Scores
from fer_tune.scoring.significance import (
    bootstrap_intervals,
    compare_groups,
    judge_difference,
    judge_mean,
    run_mcnemar_test,
)

CLASSES = 4

_labels = st.integers(1, 60).flatmap(
    lambda count: arrays.arrays(np.int64, (3, count), elements=st.integers(0, CLASSES - 1))
)
_matrices = arrays.arrays(np.int64, (CLASSES, CLASSES), elements=st.integers(0, 60)).filter(
    lambda matrix: matrix.any()
)


def exact_mcnemar(only_ours: int, only_theirs: int) -> float:
    """Return p of McNemar's exact test: twice the binomial tail, written out."""
    differ, fewer = only_ours + only_theirs, min(only_ours, only_theirs)
    tail = sum(Fraction(comb(differ, count), 2**differ) for count in range(fewer + 1))
    return float(min(Fraction(1), 2 * tail))


@given(_matrices)
def test_intervals_lie_in_0_to_1_and_around_what_was_measured(matrix: NDArray[np.int64]) -> None:
    found, scores = bootstrap_intervals(matrix), Scores(0.0, matrix)
    assert 0 <= found.accuracy.low <= scores.accuracy <= found.accuracy.high <= 1
    for low, high in (*found.precision, *found.recall, *found.f1):
        assert 0 <= low <= high <= 1
    assert len(found.f1) == CLASSES + 1


def test_the_draws_are_scored_as_the_test_faces_are() -> None:
    matrix = np.diag([30, 20, 0, 0])
    found = bootstrap_intervals(matrix)
    # As Scores.f1 of a class without faces, and the mean.
    assert found.f1 == ((1, 1), (1, 1), (0, 0), (0, 0), (0.5, 0.5))


def test_the_interval_is_as_wide_as_resampling_the_faces_themselves_makes_it() -> None:
    rng = np.random.default_rng(1)
    truth = rng.integers(0, CLASSES, 500)
    predicted = np.where(rng.random(500) < 0.6, truth, rng.integers(0, CLASSES, 500))
    resampled = []
    for _ in range(2000):
        faces = rng.integers(0, 500, 500)
        resampled.append(f1_score(truth[faces], predicted[faces], average="macro"))
    found = bootstrap_intervals(confusion_matrix(truth, predicted)).f1[-1]
    np.testing.assert_allclose(found, np.percentile(resampled, (2.5, 97.5)), atol=0.006)


def test_of_100_intervals_about_95_hold_the_true_accuracy() -> None:
    rng = np.random.default_rng(2)
    held = 0
    for _ in range(200):
        right = int(rng.binomial(800, 0.6))
        low, high = bootstrap_intervals(np.array([[right, 800 - right], [0, 0]])).accuracy
        held += low <= 0.6 <= high
    assert 0.90 <= held / 200 <= 0.99


def test_the_same_faces_give_the_same_interval_and_four_times_as_many_half_the_width() -> None:
    few, many = np.full((2, 2), 50), np.full((2, 2), 200)
    assert bootstrap_intervals(few) == bootstrap_intervals(few)
    widths = [np.ptp(bootstrap_intervals(matrix).accuracy) for matrix in (few, many)]
    assert widths[0] / widths[1] == pytest.approx(2, rel=0.1)


@given(_labels)
def test_differing_faces_are_counted_and_p_is_the_binomial_tests(labels: NDArray[np.int64]) -> None:
    truth, ours, theirs = labels
    found = run_mcnemar_test(truth, ours, theirs)
    differ = (ours == truth) != (theirs == truth)
    assert found.ours + found.theirs == differ.sum()
    assert found.ours == (ours == truth)[differ].sum()
    assert found.p == pytest.approx(exact_mcnemar(found.ours, found.theirs))


@pytest.mark.parametrize("only_ours", [0, 1, 2, 7, 30, 400])
def test_p_is_that_of_mcnemars_exact_test_for_tables_of_any_size(only_ours: int) -> None:
    for only_theirs in (0, 1, 2, 3, 8, 25, 31, 399, 400, 900):
        both = [0] * 5
        ours = np.array([0] * only_ours + [1] * only_theirs + both)
        theirs = np.array([1] * only_ours + [0] * only_theirs + both)
        found = run_mcnemar_test(np.zeros(len(ours), np.int64), ours, theirs)
        assert (found.ours, found.theirs) == (only_ours, only_theirs)
        assert found.p == pytest.approx(exact_mcnemar(only_ours, only_theirs), rel=1e-9)


def test_two_models_that_never_differ_have_p_1() -> None:
    labels = np.array([0, 1, 1])
    assert run_mcnemar_test(labels, labels, labels).p == 1.0
    assert run_mcnemar_test(labels, 1 - labels, 1 - labels).p == 1.0


@given(_labels)
def test_at_most_one_of_two_models_is_better(labels: NDArray[np.int64]) -> None:
    truth, ours, theirs = labels
    one, other = run_mcnemar_test(truth, ours, theirs), run_mcnemar_test(truth, theirs, ours)
    assert one.p == pytest.approx(other.p)
    assert not (one.is_better and other.is_better)
    assert not run_mcnemar_test(truth, ours, ours).is_better
    assert one.is_better == (one.p < 0.05 and (ours == truth).mean() > (theirs == truth).mean())


def test_a_clear_difference_is_put_into_words() -> None:
    truth = np.zeros(100, dtype=np.int64)
    weak = np.array([0] * 40 + [1] * 60)
    assert str(run_mcnemar_test(truth, truth, weak)) == (
        "better (60 faces correct by this model only, 0 by the other only, "
        "McNemar's p < 0.001: unlikely to be chance)"
    )
    assert run_mcnemar_test(truth, weak, truth).verdict == "worse"
    same = str(run_mcnemar_test(truth, weak, weak))
    assert same.startswith("not significantly different")
    assert same.endswith("may be chance)")


def test_predictions_of_other_faces_are_refused() -> None:
    with pytest.raises(ValueError, match="predictions for"):
        run_mcnemar_test(np.zeros(3, np.int64), np.zeros(3, np.int64), np.zeros(2, np.int64))


@pytest.mark.parametrize(
    ("p", "verdict"),
    [(1.0, "may be chance"), (0.05, "may be chance"), (0.049, "unlikely to be chance")],
)
def test_a_p_of_5_percent_or_more_may_be_chance(p: float, verdict: str) -> None:
    assert judge_difference(p) == verdict


def test_groups_differ_if_their_values_hardly_mix() -> None:
    low, high = [0.1, 0.11, 0.12, 0.13, 0.14], [0.2, 0.21, 0.22, 0.23]
    assert compare_groups(low, high) < 0.05
    assert compare_groups(low[:3], high[:3]) == pytest.approx(0.1)  # 2 of 20 orders
    assert compare_groups(low, low) == 1
    assert compare_groups([0.1] * 3, [0.1] * 3) == 1


def test_a_mean_of_differences_may_be_chance_if_they_scatter_around_zero() -> None:
    assert judge_mean([0.1, -0.1, 0.05]) == "may be chance"
    assert judge_mean([0.1, 0.3]) == "may be chance"  # two say little
    assert judge_mean([-0.1, -0.12, -0.11]) == "unlikely to be chance"
    assert judge_mean([0.1, 0.1, 0.1]) == "unlikely to be chance"
