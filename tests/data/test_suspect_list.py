from pathlib import Path

import numpy as np
import pytest

from fer_tune.common.errors import UserError
from fer_tune.data.faces import SIDE, Faces, Splits
from fer_tune.data.read_options import ReadOptions
from fer_tune.data.suspect_list import (
    format_suspects,
    rank_new_suspects,
    read_recorded_suspects,
    read_suspects,
)

CLASSES = ("happy", "sad")
NAMES = ("a, row 2", 'b "quoted".png', "c.png")
PROBABILITIES = np.array([[0.25, 0.75], [0.9, 0.1], [0.4, 0.6]])


def make_faces(names: tuple[str, ...] = NAMES, labels: tuple[int, ...] = (0, 1, 1)) -> Faces:
    images = np.zeros((len(names), SIDE, SIDE), np.uint8)
    return Faces(images, np.array(labels, np.int64), np.array(names))


def make_splits(train: Faces) -> Splits:
    return Splits(CLASSES, train, train, train, "three faces", "")


def write_list(text: str) -> Path:
    Path("suspects.csv").write_text(text)
    return Path("suspects.csv")


def test_a_line_has_the_guess_and_the_probability_of_the_given_label() -> None:
    lines = format_suspects(make_faces(), CLASSES, PROBABILITIES).splitlines()
    assert lines[:2] == ["face,label,guess,probability", '"a, row 2",happy,sad,0.25']
    assert lines[3] == "c.png,sad,sad,0.6"


def test_a_list_ranks_the_faces_in_whatever_order_they_are_read() -> None:
    suspects = read_suspects(write_list(format_suspects(make_faces(), CLASSES, PROBABILITIES)))
    ranked = suspects.rank_faces(make_splits(make_faces().take(np.array([2, 0, 1])))).train
    assert ranked.suspect_ranks is not None
    assert ranked.suspect_ranks.tolist() == [2, 0, 1]
    assert ranked.names.tolist() == ["c.png", *NAMES[:2]]
    assert suspects.path == Path("suspects.csv").absolute()


@pytest.mark.parametrize("start", ["renamed.csv, row ", "further/down/faces.csv, row "])
def test_faces_of_a_file_with_another_name_are_found(start: str) -> None:
    rows = ("10", "17", "2")
    listed = make_faces(tuple(f"faces.csv, row {row}" for row in rows))
    suspects = read_suspects(write_list(format_suspects(listed, CLASSES, PROBABILITIES)))
    moved = make_faces(tuple(f"{start}{row}" for row in rows)).take(np.array([2, 0, 1]))
    ranked = suspects.rank_faces(make_splits(moved)).train
    assert ranked.suspect_ranks is not None
    assert ranked.suspect_ranks.tolist() == [2, 0, 1]
    assert ranked.names.tolist() == moved.names.tolist()


def test_a_new_study_needs_a_list_only_if_a_trial_leaves_out_suspects() -> None:
    splits = make_splits(make_faces())
    path = write_list(format_suspects(splits.train, CLASSES, PROBABILITIES))
    assert rank_new_suspects(splits, ReadOptions(), None, is_needed=False) == (splits, None)
    ranked, suspects = rank_new_suspects(splits, ReadOptions(), path, is_needed=True)
    assert ranked.train.suspect_ranks is not None
    assert suspects is not None
    with pytest.raises(UserError, match=r"no trial leaves out suspects; give labels the value"):
        rank_new_suspects(splits, ReadOptions(), path, is_needed=False)
    with pytest.raises(UserError, match=r"-m fer_tune.suspects --skip-bad --labels 0=sad, and"):
        rank_new_suspects(splits, ReadOptions(True, "0=sad"), None, is_needed=True)


def test_a_moved_list_is_the_same_and_another_one_is_refused() -> None:
    path = write_list(format_suspects(make_faces(), CLASSES, PROBABILITIES))
    recorded = read_suspects(path)
    moved = path.rename("moved.csv")
    known = recorded.path, recorded.content_hash
    assert read_recorded_suspects(*known, moved).path == moved.absolute()
    with pytest.raises(UserError, match=r"suspects.csv cannot be read: .* --suspects"):
        read_recorded_suspects(*known, None)
    write_list("face,label\na,happy\n")
    for given in (None, Path("suspects.csv")):
        with pytest.raises(UserError, match="not the list of suspects that the study began with"):
            read_recorded_suspects(*known, given)
    with pytest.raises(UserError, match="began without a list; leave out the option"):
        read_recorded_suspects(None, None, moved)


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
        suspects.rank_faces(make_splits(faces))


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
