import numpy as np
import pytest

from fer_tune.data.faces import Faces
from fer_tune.data.votes import find_plurality, get_label_shares, is_agreed

NONE = [np.nan, np.nan, np.nan]


def voted(labels: list[int], votes: list[list[float]]) -> Faces:
    images = np.zeros((len(labels), 48, 48), np.uint8)
    return Faces(images, np.array(labels), votes=np.array(votes, np.float32))


def test_the_class_with_the_most_votes_counts_and_a_tie_counts_for_the_given_label() -> None:
    faces = voted(
        [0, 0, 2, 1, 0], [[0.2, 0.8, 0], [0.5, 0.5, 0], [0, 0.5, 0.5], [0.5, 0, 0.5], NONE]
    )
    assert find_plurality(faces).tolist() == [1, 0, 2, 0, -1]


def test_a_face_is_agreed_only_if_its_given_label_alone_has_the_most_votes() -> None:
    faces = voted([0, 0, 0, 0], [[0.6, 0.4, 0], [0.5, 0.5, 0], [0.2, 0.8, 0], NONE])
    assert is_agreed(faces).tolist() == [True, False, False, False]


def test_faces_without_votes_keep_their_given_label_in_training() -> None:
    shares = get_label_shares(voted([2, 1], [[0.3, 0.7, 0], NONE]))
    assert shares == pytest.approx(np.array([[0.3, 0.7, 0], [0, 1, 0]]))


def test_a_data_set_without_votes_has_no_agreed_faces_and_no_shares() -> None:
    faces = Faces(np.zeros((2, 48, 48), np.uint8), np.array([0, 1]))
    assert find_plurality(faces).tolist() == [-1, -1]
    assert not is_agreed(faces).any()
    with pytest.raises(ValueError, match="no votes"):
        get_label_shares(faces)


def test_votes_stay_with_their_faces() -> None:
    faces = voted([0, 1, 2], [[1, 0, 0], [0, 1, 0], NONE])
    taken = faces.take(np.array([2, 0]))
    assert taken.votes is not None
    np.testing.assert_array_equal(taken.votes, np.array([NONE, [1, 0, 0]], np.float32))
