import numpy as np
import pytest

from fer_tune.scoring.calibration import measure_calibration_error
from fer_tune.scoring.evaluation import Evaluation
from fer_tune.scoring.predictions import Predictions

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
    assert others is not None
    assert evaluation.duplicates == 20
    assert others.accuracy.value == predictions.measure_accuracy(~is_duplicate)
    assert others.predictions.names is not None
    assert others.predictions.names[0] == "20.png"


@pytest.mark.parametrize("mask", [None, np.zeros(60, bool), np.ones(60, bool)], ids=str)
def test_without_a_choice_of_faces_there_is_no_second_evaluation(
    mask: np.ndarray, predictions: Predictions
) -> None:
    assert Evaluation(CLASSES, predictions, mask).without_duplicates is None


def test_the_most_confident_mistakes_come_first(predictions: Predictions) -> None:
    found = Evaluation(CLASSES, predictions).find_worst_mistakes(5)
    confidence = predictions.probability[found]
    is_wrong = predictions.predicted != predictions.truth
    assert len(found) == 5
    assert is_wrong[found].all()
    assert (np.diff(confidence) <= 0).all()
    assert confidence.min() >= np.sort(predictions.probability[is_wrong])[-5]
