import numpy as np
import pytest

from fer_tune.scoring.evaluation import Evaluation
from fer_tune.scoring.predictions import Predictions

CLASSES = ("nan", "007", "a face, with a comma")


@pytest.fixture
def predictions() -> Predictions:
    rng = np.random.default_rng(0)
    plain, mirrored = rng.dirichlet([1, 1, 1], (2, 40))
    names = np.array([f"test/{number}, a.png" for number in range(40)])
    return Predictions.from_probabilities(rng.integers(0, 3, 40), plain, mirrored, names)


def test_what_is_written_is_read_again(predictions: Predictions) -> None:
    text = predictions.to_csv(CLASSES)
    assert text.splitlines()[0] == (
        "row,truth,prediction,probability,flip_prediction,flip_probability,face,"
        'probability_nan,probability_007,"probability_a face, with a comma"'
    )
    assert len(text.splitlines()) == 41
    again = Predictions.from_csv(text, CLASSES)
    for name in ("truth", "predicted", "flip_predicted", "names"):
        np.testing.assert_array_equal(getattr(again, name), getattr(predictions, name))
    np.testing.assert_allclose(again.probability, predictions.probability, atol=1e-6)
    assert again.probabilities is not None
    assert predictions.probabilities is not None
    np.testing.assert_allclose(again.probabilities, predictions.probabilities, atol=1e-6)
    assert again.to_csv(CLASSES) == text


def test_a_file_without_names_and_all_probabilities_is_read() -> None:
    text = (
        "row,truth,prediction,probability,flip_prediction,flip_probability\n0,nan,007,0.5,nan,0.6\n"
    )
    predictions = Predictions.from_csv(text, CLASSES)
    assert (predictions.names, predictions.probabilities) == (None, None)
    assert predictions.to_csv(CLASSES) == text


def test_a_model_that_was_not_tried_with_tta_writes_no_columns_of_it() -> None:
    plain = np.array([[0.6, 0.3, 0.1], [0.2, 0.2, 0.6]])
    text = Predictions.from_probabilities(np.array([0, 1]), plain).to_csv(CLASSES)
    assert "flip" not in text
    assert Predictions.from_csv(text, CLASSES).flip_predicted is None


@pytest.mark.parametrize("text", ["a,b\n1,2\n", "row,truth\n0,nan\n"])
def test_another_table_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="no predictions"):
        Predictions.from_csv(text, CLASSES)


def test_classes_that_are_not_known_are_refused(predictions: Predictions) -> None:
    with pytest.raises(ValueError, match="007"):
        Predictions.from_csv(predictions.to_csv(CLASSES), ("nan", "8", CLASSES[2]))


def test_flip_averaging_can_change_a_prediction_and_leaves_the_plain_one() -> None:
    truth = np.array([1, 0])
    plain, mirrored = np.array([[0.6, 0.4], [0.9, 0.1]]), np.array([[0.1, 0.9], [0.8, 0.2]])
    predictions = Predictions.from_probabilities(truth, plain, mirrored)
    assert predictions.predicted.tolist() == [0, 0]
    assert predictions.flip_predicted is not None
    assert predictions.flip_probability is not None
    assert predictions.flip_predicted.tolist() == [1, 0]
    np.testing.assert_allclose(predictions.flip_probability, [0.65, 0.85])
    evaluation = Evaluation(("happy", "sad"), predictions)
    assert evaluation.scores.accuracy == 0.5
    assert evaluation.with_mirror_images.scores.accuracy == 1
