import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from numpy.typing import NDArray
from sklearn.metrics import accuracy_score, precision_recall_fscore_support

from fer_tune.data.faces import EMOTIONS
from fer_tune.scoring.metrics import (
    EpochResult,
    Scores,
    build_epoch_metrics,
    build_split_metrics,
    find_best_epoch,
    is_better,
    list_metric_names,
)

confusions = st.integers(2, 9).flatmap(
    lambda classes: arrays(np.int64, (classes, classes), elements=st.integers(0, 40))
)


def history(metric: str, *values: float) -> list[EpochResult]:
    return [EpochResult(epoch, {metric: value}, []) for epoch, value in enumerate(values, 1)]


@given(confusions.filter(lambda confusion: confusion.any()))
def test_per_class_scores_agree_with_scikit_learns(confusion: NDArray[np.int64]) -> None:
    classes = np.arange(len(confusion))
    truth, predicted = (
        np.repeat(index.ravel(), confusion.ravel()) for index in np.indices(confusion.shape)
    )
    expected = precision_recall_fscore_support(truth, predicted, labels=classes, zero_division=0)
    scores = Scores(0.0, confusion)
    for ours, theirs in zip(
        (scores.precision, scores.recall, scores.f1), expected[:3], strict=True
    ):
        np.testing.assert_allclose(ours, theirs, atol=1e-12)
    assert scores.macro_f1 == pytest.approx(expected[2].mean())
    assert scores.accuracy == pytest.approx(accuracy_score(truth, predicted))


def test_a_class_without_faces_or_predictions_scores_0_without_a_warning() -> None:
    scores = Scores(0.0, np.array([[3, 0], [0, 0]]))
    assert scores.precision.tolist() == scores.recall.tolist() == scores.f1.tolist() == [1, 0]


def test_polarity_accuracy_groups_happy_surprise_and_neutral() -> None:
    confusion = np.zeros((7, 7), dtype=np.int64)
    happy, surprise, neutral = (EMOTIONS.index(n) for n in ("happy", "surprise", "neutral"))
    angry, sad = EMOTIONS.index("angry"), EMOTIONS.index("sad")
    confusion[happy, surprise] = confusion[neutral, happy] = 2  # another class of the same side
    confusion[angry, sad] = 3
    confusion[sad, neutral] = confusion[surprise, angry] = 1  # classes of the other side
    scores = Scores(0.0, confusion)
    assert scores.polarity_accuracy(EMOTIONS) == pytest.approx(7 / 9)
    assert scores.accuracy == 0


def test_polarity_accuracy_is_left_out_if_a_class_is_missing() -> None:
    scores = Scores(0.0, np.eye(2, dtype=np.int64))
    assert scores.polarity_accuracy(("happy", "sad")) is None
    assert "val/polarity_accuracy" not in list_metric_names(("happy", "sad"))
    assert "val/polarity_accuracy" in list_metric_names(EMOTIONS)


def test_the_gap_is_train_minus_validation_accuracy() -> None:
    train = Scores(0.1, np.array([[9, 1], [0, 10]]))
    validation = Scores(0.7, np.array([[5, 5], [3, 7]]))
    metrics = build_epoch_metrics(train, validation, ("happy", "sad"))
    assert metrics["train/accuracy"] == pytest.approx(0.95)
    assert metrics["val/accuracy"] == pytest.approx(0.6)
    assert metrics["gap"] == pytest.approx(0.35)
    assert (metrics["train/loss"], metrics["val/loss"]) == (0.1, 0.7)


def test_per_class_metrics_carry_the_name_of_their_class() -> None:
    metrics = build_split_metrics("test", Scores(0.0, np.array([[1, 3], [0, 4]])), ("happy", "sad"))
    assert metrics["test_recall/happy"] == pytest.approx(1 / 4)
    assert metrics["test_recall/sad"] == 1
    assert metrics["test_precision/sad"] == pytest.approx(4 / 7)
    assert metrics["test_f1/happy"] == pytest.approx(2 / 5)


def test_every_metric_of_an_epoch_is_named_beforehand() -> None:
    scores = Scores(1.0, np.eye(7, dtype=np.int64))
    assert list(build_epoch_metrics(scores, scores, EMOTIONS)) == list_metric_names(EMOTIONS)
    assert len(set(list_metric_names(EMOTIONS))) == 2 + 4 + 1 + 3 * 7


@pytest.mark.parametrize(
    ("metric", "values", "epoch"),
    [
        ("val/macro_f1", (0.2, 0.5, 0.4), 2),
        ("val/macro_f1", (0.5, 0.2, 0.5), 1),
        ("val/loss", (0.9, 0.3, 0.6), 2),
        ("val/loss", (0.3, 0.9, 0.3), 1),
        ("gap", (0.2, -0.1, 0.0), 2),
    ],
)
def test_the_best_epoch_is_the_first_of_those_best_by_the_metric(
    metric: str, values: tuple[float, ...], epoch: int
) -> None:
    best = find_best_epoch(history(metric, *values), metric)
    assert best is not None
    assert best.epoch == epoch


def test_without_an_epoch_the_best_is_none() -> None:
    assert find_best_epoch([], "val/macro_f1") is None


@given(
    st.sampled_from(["val/macro_f1", "val/loss"]),
    st.lists(st.floats(0, 1, width=16), min_size=1, max_size=6),
)
def test_epoch_by_epoch_and_all_at_once_choose_the_same_best(
    metric: str, values: list[float]
) -> None:
    best_so_far: tuple[int, float] | None = None
    for epoch, value in enumerate(values, 1):
        if is_better(metric, value, best_so_far and best_so_far[1]):
            best_so_far = epoch, value
    best = find_best_epoch(history(metric, *values), metric)
    assert best is not None
    assert best_so_far is not None
    assert best_so_far[0] == best.epoch
