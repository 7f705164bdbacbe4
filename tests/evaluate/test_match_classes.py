import numpy as np
import pytest

from fer_tune.common.errors import UserError
from fer_tune.data.faces import Faces
from fer_tune.evaluate.match_classes import match_classes


def make_faces(*labels: int) -> Faces:
    return Faces(np.zeros((len(labels), 48, 48), np.uint8), np.array(labels, np.int64))


def test_classes_match_in_any_spelling_and_order() -> None:
    faces = make_faces(0, 1, 1)
    shared = match_classes(("happy", "my class"), ["My_Class", "Happiness"], faces)
    assert shared.classes == ("happy", "my class")
    assert shared.notes == ()
    assert shared.faces.labels.tolist() == [0, 1, 1]
    assert shared.faces.names.tolist() == ["0", "1", "2"]
    probabilities = shared.select_probabilities(np.array([[0.9, 0.1]]))
    np.testing.assert_allclose(probabilities, [[0.1, 0.9]])


def test_a_class_that_the_model_lacks_is_left_out_and_said() -> None:
    classes, known = ("angry", "contempt", "sad"), ["sad", "angry"]
    (note,) = match_classes(classes, known, make_faces(0, 1, 2)).notes
    assert note == "The model has no class contempt: 1 face left out."
    faces = make_faces(0, 1, 2, 1)
    shared = match_classes(classes, known, faces)
    assert shared.notes == ("The model has no class contempt: 2 faces left out.",)
    assert shared.faces.labels.tolist() == [0, 1]
    assert shared.faces.names.tolist() == ["0", "2"]


def test_a_class_that_no_face_has_cannot_be_chosen() -> None:
    shared = match_classes(("angry", "sad"), ["angry", "fear", "sad"], make_faces(0, 1))
    assert shared.notes == ("No face is of fear: the model cannot choose it here.",)
    probabilities = shared.select_probabilities(np.array([[0.1, 0.6, 0.3], [0.0, 1.0, 0.0]]))
    np.testing.assert_allclose(probabilities, [[0.25, 0.75], [0.5, 0.5]])


def test_labels_that_match_no_class_are_refused() -> None:
    with pytest.raises(UserError, match=r"0 of these classes are the same; .* with --labels"):
        match_classes(("cat", "dog"), ["angry", "sad"], make_faces(0, 1))
