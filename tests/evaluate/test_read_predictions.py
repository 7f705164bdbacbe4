from pathlib import Path

import numpy as np
import pytest

from fer_tune.common.errors import UserError
from fer_tune.data.faces import Faces
from fer_tune.evaluate.read_predictions import read_predictions
from fer_tune.scoring.predictions import Predictions

CLASSES = ("angry", "happy", "sad")
IMAGES = ["test/happy/a.png", "test/sad/b.png", "test/sad/c.png"]
ROWS = ["f.csv, row 5", "f.csv, row 3", "f.csv, row 4"]


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "theirs.csv"


def read(file: Path, text: str, names: list[str] = IMAGES, **labels: str) -> Predictions:
    file.write_text(text)
    images = np.zeros((3, 48, 48), np.uint8)
    faces = Faces(images, np.array([1, 2, 2]), np.array(names))
    known = [*names, "train/sad/d.png" if names is IMAGES else "f.csv, row 2"]
    return read_predictions(file, faces, known, CLASSES, labels)


@pytest.mark.parametrize(
    "text",
    [
        "file,class\ntest/sad/c.png,sad\ntest/happy/a.png,Happiness\ntest/sad/b.png,anger\n",
        "filename,label\nc.png,4\na.png,3\nb.png,0\n",  # FER2013's numbers
        "path,prediction\n/home/me/fer/test/sad/c.png,sad\nfer/test/happy/a.png,joy\nb.png,angry\n",
        "Image , Emotion\nc.png, sad\na.png, happy\nb.png, angry\nd.png, sad\n",
    ],
)
def test_classes_are_read_by_file_in_the_order_of_the_faces(text: str, file: Path) -> None:
    predictions = read(file, text)
    assert predictions.predicted.tolist() == [1, 0, 2]
    assert np.isnan(predictions.probability).all()


def test_classes_are_read_by_row_of_a_table(file: Path) -> None:
    text = "row,class\n3,angry\n4.0,sad\n5,happy\n"
    assert read(file, text, ROWS).predicted.tolist() == [1, 0, 2]


def test_labels_give_the_classes_of_numbers(file: Path) -> None:
    text = "row,class\n3,1\n4,2\n5,3\n"
    numbers = {"1": "angry", "2": "sad", "3": "happy"}
    assert read(file, text, ROWS, **numbers).predicted.tolist() == [1, 0, 2]


def test_probabilities_are_read_and_add_up_to_one_over_the_shared_classes(file: Path) -> None:
    text = (
        "face,probability_happy,P_Anger,sadness,contempt\n"
        "a.png,.5,.2,.1,.2\nb.png,.1,.7,.2,0\nc.png,0,0,1,0\n"
    )
    probabilities = read(file, text).probabilities
    assert probabilities is not None
    np.testing.assert_allclose(probabilities[0], [0.25, 0.625, 0.125])
    np.testing.assert_allclose(probabilities.sum(1), 1)


def test_our_own_predictions_are_read(file: Path) -> None:
    plain = np.random.default_rng(0).dirichlet([1, 1, 1], 3)
    truth = np.array([1, 2, 2])
    text = Predictions.from_probabilities(truth, plain, names=np.array(IMAGES)).to_csv(CLASSES)
    probabilities = read(file, text).probabilities
    assert probabilities is not None
    np.testing.assert_allclose(probabilities, plain, atol=1e-5)


@pytest.mark.parametrize(
    ("text", "names", "problem"),
    [
        ("file,class\na.png,sad\n", IMAGES, r"lacks 2 faces \(test/sad/b.png, test/sad/c.png\)"),
        ("file,class\nx.png,sad\n", IMAGES, "row 2: the data has no face 'x.png'; the name"),
        ("row,class\n0,sad\n3,sad\n4,sad\n", ROWS, "row 2: the data has no face '0'"),
        ("row,class\n1,sad\n", IMAGES, "no column that names the faces"),
        ("class\nsad\n", IMAGES, "no column that names the faces"),
        ("file\na.png\nb.png\nc.png\n", IMAGES, "no column of classes"),
        ("file,class\na.png,sad\na.png,sad\n", IMAGES, "several predictions for test/happy/a.png"),
        ("file,class\na.png,sad\nb.png,sad\nc.png,fear\n", IMAGES, "'fear' is none of the classes"),
        ("file,class\n", IMAGES, "no rows"),
        ("file,File\na,b\n", IMAGES, "two columns of one name"),
        ("", IMAGES, "not a CSV of predictions"),
        ("file,class\na,b,c\n", IMAGES, "not a CSV of predictions"),
        (
            "file,angry,happy,sad\na.png,.5,.4,.1\nb.png,3,-1,2\nc.png,1,0,0\n",
            IMAGES,
            "row 3: 3, -1, 2 are not the probabilities of classes",
        ),
        ("file,angry,happy,sad\na.png,x,0,0\nb.png,1,0,0\nc.png,1,0,0\n", IMAGES, "no number"),
    ],
)
def test_a_file_that_cannot_be_used_is_refused_in_one_line(
    text: str, names: list[str], problem: str, file: Path
) -> None:
    with pytest.raises(UserError, match=problem) as refusal:
        read(file, text, names)
    assert len(str(refusal.value).splitlines()) == 1


def test_a_file_that_is_not_there_is_said(tmp_path: Path) -> None:
    faces = Faces(np.zeros((1, 48, 48), np.uint8), np.array([0]))
    with pytest.raises(UserError, match=r"nowhere\.csv cannot be read"):
        read_predictions(tmp_path / "nowhere.csv", faces, ["0"], CLASSES, {})
