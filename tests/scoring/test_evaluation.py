import numpy as np
import pytest

from fer_tune.scoring.calibration import measure_calibration_error
from fer_tune.scoring.evaluation import Evaluation
from fer_tune.scoring.metric_estimates import Estimate
from fer_tune.scoring.predictions import Predictions
from fer_tune.scoring.significance import ConfidenceInterval

CLASSES = ("happy", "sad", "angry")


@pytest.fixture
def predictions() -> Predictions:
    rng = np.random.default_rng(0)
    truth, probabilities = rng.integers(0, 3, 60), rng.dirichlet([1, 1, 1], 60)
    names = np.array([f"{number}.png" for number in range(60)])
    return Predictions.from_probabilities(truth, probabilities, names=names)


def test_scores_and_calibration_follow_from_the_probabilities(predictions: Predictions) -> None:
    evaluation = Evaluation(CLASSES, predictions)
    truth, probabilities = predictions.truth, predictions.probabilities
    assert probabilities is not None
    assert evaluation.accuracy.value == np.mean(probabilities.argmax(1) == truth)
    assert evaluation.scores.loss == pytest.approx(-np.log(probabilities[range(60), truth]).mean())
    assert evaluation.calibration_error == measure_calibration_error(probabilities, truth)


def test_every_score_has_an_interval_around_it(predictions: Predictions) -> None:
    evaluation = Evaluation(CLASSES, predictions)
    *by_class, mean = evaluation.by_class
    assert [each.name for each in by_class] == list(CLASSES)
    assert mean.f1 == evaluation.macro_f1
    assert mean.faces == sum(each.faces for each in by_class) == 60
    for row in (*by_class, mean):
        for estimate in (row.precision, row.recall, row.f1):
            assert estimate.interval is not None
            assert estimate.interval.low < estimate.value < estimate.interval.high


def test_predicted_classes_alone_have_scores_but_no_loss_and_no_calibration() -> None:
    truth = np.array([0, 1, 2])
    evaluation = Evaluation(CLASSES, Predictions(truth, truth, np.full(3, np.nan)))
    metrics = evaluation.build_metrics("test")
    assert metrics["test/accuracy"] == 1
    assert not {"test/loss", "test/calibration_error"} & metrics.keys()


def test_duplicates_are_counted_and_left_out(predictions: Predictions) -> None:
    is_duplicate = np.arange(60) < 20
    evaluation = Evaluation(CLASSES, predictions, is_duplicate)
    others = evaluation.without_duplicates
    near = Evaluation(CLASSES, predictions, is_duplicate, np.arange(60) < 30)
    assert near.near_duplicates == 30
    distant = near.without_near_duplicates
    assert distant
    assert (len(distant.predictions.truth), distant.near_duplicates) == (30, None)
    assert evaluation.near_duplicates is None
    assert evaluation.without_near_duplicates is None
    assert others is not None
    assert evaluation.duplicates == 20
    is_right = predictions.predicted == predictions.truth
    assert others.accuracy.value == is_right[20:].mean()
    assert others.predictions.names is not None
    assert others.predictions.names[0] == "20.png"


@pytest.mark.parametrize("mask", [None, np.zeros(60, bool), np.ones(60, bool)], ids=str)
def test_without_a_choice_of_faces_there_is_no_second_evaluation(
    mask: np.ndarray, predictions: Predictions
) -> None:
    assert Evaluation(CLASSES, predictions, mask).without_duplicates is None


def test_a_confusion_matrix_alone_has_the_same_scores(predictions: Predictions) -> None:
    whole = Evaluation(CLASSES, predictions)
    counted = Evaluation.from_confusion(CLASSES, whole.scores.confusion.tolist())
    np.testing.assert_array_equal(counted.scores.confusion, whole.scores.confusion)
    assert counted.by_class == whole.by_class
    assert counted.calibration_error is None


def test_the_kinds_of_mistakes_are_listed_the_most_frequent_first() -> None:
    evaluation = Evaluation.from_confusion(CLASSES, [[80, 20, 0], [0, 100, 0], [0, 90, 210]])
    assert evaluation.find_confusions() == [(0.3, 2, 1), (0.2, 0, 1)]


def test_the_most_confident_mistakes_come_first(predictions: Predictions) -> None:
    found = Evaluation(CLASSES, predictions).find_worst_mistakes(5)
    confidence = predictions.probability[found]
    is_wrong = predictions.predicted != predictions.truth
    assert len(found) == 5
    assert is_wrong[found].all()
    assert (np.diff(confidence) <= 0).all()
    assert confidence.min() >= np.sort(predictions.probability[is_wrong])[-5]


def evaluate(*recalls: float, faces: int) -> Evaluation:
    """Return scores of classes with equally many faces; a wrong face goes to the next class."""
    right = np.diag([round(faces * recall) for recall in recalls])
    confusion = right + np.roll(np.diag(faces - np.diag(right)), 1, axis=1)
    return Evaluation.from_confusion(CLASSES, confusion)


def test_what_a_better_model_has_lost_is_named_with_its_verdict() -> None:
    before, after = evaluate(0.5, 0.5, 0.9, faces=500), evaluate(0.9, 0.9, 0.5, faces=500)
    text = after.describe_losses(before, Estimate(0.1, ConfidenceInterval(0.05, 0.15)))
    assert text.startswith(" It is worse in: angry F1 by 0.1")
    assert text.endswith("the gap by 0.100 (unlikely to be chance).")
    assert "happy" not in text
    assert "accuracy" not in text


def test_a_loss_on_few_faces_may_be_chance() -> None:
    before, after = evaluate(0.5, 0.5, 0.6, faces=10), evaluate(0.9, 0.9, 0.5, faces=10)
    text = before.describe_losses(after, Estimate(-0.1))
    assert "accuracy by 0.233 (may be chance)" in text
    assert "gap" not in text
    small = after.describe_losses(before, Estimate(0.02, ConfidenceInterval(-0.1, 0.14)))
    assert small.endswith("the gap by 0.020 (may be chance).")


def test_only_the_largest_losses_are_named_and_tiny_ones_are_not() -> None:
    before, after = evaluate(0.9, 0.8, 0.7, faces=1000), evaluate(0.5, 0.5, 0.5, faces=1000)
    assert after.describe_losses(before, Estimate(0.004)).count(" by ") == 3
    assert before.describe_losses(before, Estimate(0.004)) == ""
    assert "macro F1" not in after.describe_losses(before, Estimate(0.0), skip="macro F1")
