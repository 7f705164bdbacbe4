from pathlib import Path

import numpy as np
import pytest

from fer_tune.common.errors import UserError
from fer_tune.data.faces import SIDE, Faces
from fer_tune.data.suspect_list import format_suspects, read_suspects

CLASSES = ("happy", "sad")
NAMES = ("a, row 2", 'b "quoted".png', "c.png")
PROBABILITIES = np.array([[0.25, 0.75], [0.9, 0.1], [0.4, 0.6]])


def make_faces(names: tuple[str, ...] = NAMES, labels: tuple[int, ...] = (0, 1, 1)) -> Faces:
    images = np.zeros((len(names), SIDE, SIDE), np.uint8)
    return Faces(images, np.array(labels, np.int64), np.array(names))


def write_list(text: str) -> Path:
    Path("suspects.csv").write_text(text)
    return Path("suspects.csv")


def test_a_line_has_the_guess_and_the_probability_of_the_given_label() -> None:
    lines = format_suspects(make_faces(), CLASSES, PROBABILITIES).splitlines()
    assert lines[:2] == ["face,label,guess,probability", '"a, row 2",happy,sad,0.25']
    assert lines[3] == "c.png,sad,sad,0.6"


def test_a_list_ranks_the_faces_in_whatever_order_they_are_read() -> None:
    suspects = read_suspects(write_list(format_suspects(make_faces(), CLASSES, PROBABILITIES)))
    faces = make_faces().take(np.array([2, 0, 1]))
    assert suspects.rank_faces(faces, CLASSES).tolist() == [2, 0, 1]
    assert suspects.path == Path("suspects.csv").absolute()


def test_two_lists_have_different_hashes() -> None:
    content = format_suspects(make_faces(), CLASSES, PROBABILITIES)
    first = read_suspects(write_list(content)).content_hash
    assert read_suspects(write_list(content)).content_hash == first
    assert read_suspects(write_list(content.replace("0.25", "0.26"))).content_hash != first


@pytest.mark.parametrize(
    ("faces", "reason"),
    [
        (make_faces(("a, row 2", NAMES[1], "d.png")), r"lacks 1 training face \(d.png\)"),
        (make_faces(NAMES[:2], (0, 1)), r"also has 1 other face \(c.png\)"),
        (make_faces(labels=(1, 1, 1)), "a, row 2 is happy there, and sad in the data"),
    ],
)
def test_a_list_of_other_faces_or_labels_is_refused(faces: Faces, reason: str) -> None:
    suspects = read_suspects(write_list(format_suspects(make_faces(), CLASSES, PROBABILITIES)))
    with pytest.raises(UserError, match=f"{reason}; make the list of these faces"):
        suspects.rank_faces(faces, CLASSES)


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "it has no faces"),
        (b"face,label\n", "it has no faces"),
        (b"name,label\na,happy\n", "no columns face and label"),
        (b"face,label\na,happy\na,sad\n", "lists a face twice"),
        (b'face,label\n"a,happy\n', "is not a list of suspects"),
        (b"face,label\n\xff,happy\n", "is not a list of suspects"),
    ],
)
def test_what_is_no_list_of_suspects_is_refused_in_one_line(content: bytes, reason: str) -> None:
    Path("suspects.csv").write_bytes(content)
    with pytest.raises(UserError, match=reason) as error:
        read_suspects(Path("suspects.csv"))
    assert "\n" not in str(error.value)


def test_a_missing_list_is_refused() -> None:
    with pytest.raises(UserError, match=r"nowhere.csv cannot be read: No such file"):
        read_suspects(Path("nowhere.csv"))
