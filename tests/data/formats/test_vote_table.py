import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from fer_tune.common.errors import UserError
from fer_tune.data.demo.demo_splits import draw_demo_splits
from fer_tune.data.faces import EMOTIONS, SPLIT_NAMES
from fer_tune.data.load import load_splits, reload_splits
from fer_tune.data.read_options import ReadOptions
from fer_tune.data.votes import find_plurality, is_agreed
from tests.data.held import (
    Face,
    drawn_faces,
    place,
    write_csv,
    write_folders_zip,
    write_kaggle_folders,
)

COLUMNS = "neutral,happiness,surprise,sadness,anger,disgust,fear,contempt,unknown,NF"
IN_FERPLUS = ("neutral", "happy", "surprise", "sad", "angry", "disgust", "fear")


def agreeing_votes(face: Face, others: str = "1,0,0") -> str:
    return ",".join(["9" if name == face.emotion else "0" for name in IN_FERPLUS] + [others])


def write_votes(folder: Path, rows: list[str], header: str = f"Usage,Image name,{COLUMNS}") -> Path:
    path = folder / "votes.csv"
    path.write_text("\n".join([header, *rows, ""]))
    return path


def vote_rows(faces: list[Face]) -> list[str]:
    return [f"{f.usage},fer{i:07}.png,{agreeing_votes(f)}" for i, f in enumerate(faces)]


def test_votes_are_joined_by_row_and_become_shares(tmp_path: Path) -> None:
    faces = drawn_faces()
    rows = vote_rows(faces)
    rows[0] = "Training,,0,0,0,1,3,0,0,2,4,0"  # angry: 3 of 4 votes for a class
    rows[1] = "Training,,0,0,0,0,0,0,0,2,8,0"
    votes = write_votes(tmp_path, rows)
    splits = load_splits(write_csv(faces, tmp_path), ReadOptions(votes=votes))
    by_image = {f.image.tobytes(): i for i, f in enumerate(faces)}
    for name in SPLIT_NAMES:
        own = splits[name]
        assert own.votes is not None
        for image, label, shares in zip(own.images, own.labels, own.votes, strict=True):
            row = by_image[image.tobytes()]
            expected = np.eye(7)[label]
            if row == 0:
                expected = np.array([0.75, 0, 0, 0, 0.25, 0, 0])
            np.testing.assert_allclose(shares, np.full(7, np.nan) if row == 1 else expected)
    assert splits.notes[-1] == (
        "people's votes were read from votes.csv; those for contempt, unknown, NF are left out; "
        "1 faces have none and keep their label"
    )


def test_votes_do_not_change_the_hash_of_the_faces_and_have_one_of_their_own(
    tmp_path: Path,
) -> None:
    faces = drawn_faces()
    data, rows = write_csv(faces, tmp_path), vote_rows(faces)
    plain = load_splits(data)
    voted = load_splits(data, ReadOptions(votes=write_votes(tmp_path, rows)))
    again = load_splits(data, ReadOptions(votes=write_votes(tmp_path, rows)))
    rows[3] = f"Training,,2{agreeing_votes(faces[3])[1:]}"
    other = load_splits(data, ReadOptions(votes=write_votes(tmp_path, rows)))
    assert plain.votes_hash() is None
    assert len({each.content_hash() for each in (plain, voted, again, other)}) == 1
    assert voted.votes_hash() == again.votes_hash() != other.votes_hash()


def drop_last(rows: list[str]) -> list[str]:
    return rows[:-1]


def reverse(rows: list[str]) -> list[str]:
    return rows[::-1]


def move_split(rows: list[str]) -> list[str]:
    return [rows[0].replace("Training", "PublicTest"), *rows[1:]]


def make_negative(rows: list[str]) -> list[str]:
    return [rows[0].replace("9", "-9"), *rows[1:]]


def make_word(rows: list[str]) -> list[str]:
    return [rows[0].replace("9", "nine"), *rows[1:]]


def clear(rows: list[str]) -> list[str]:
    return [row.replace("9", "0") for row in rows]


def cut_row(rows: list[str]) -> list[str]:
    return [rows[0].rpartition(",")[0], *rows[1:]]


@pytest.mark.parametrize(
    ("damage", "problem"),
    [
        (drop_last, "votes.csv has 69 rows of votes, but fer2013.csv has 70 rows in 1 table"),
        (reverse, "votes.csv, row 2: Usage is 'PrivateTest', but the face of this row is in"),
        (move_split, "votes.csv, row 2: Usage is 'PublicTest', but the face of this row is in"),
        (make_negative, "votes.csv, row 2, column anger: '-9' is not a number of votes"),
        (make_word, "votes.csv, row 2, column anger: 'nine' is not a number of votes"),
        (clear, "votes.csv: no face has a vote for angry, disgust"),
        (cut_row, "votes.csv, row 2: 11 values instead of 12"),
    ],
)
def test_votes_on_other_faces_are_refused_by_name(
    tmp_path: Path, damage: Callable[[list[str]], list[str]], problem: str
) -> None:
    faces = drawn_faces()
    data, votes = write_csv(faces, tmp_path), write_votes(tmp_path, damage(vote_rows(faces)))
    with pytest.raises(UserError, match=problem):
        load_splits(data, ReadOptions(votes=votes))


def test_votes_in_another_order_are_found_by_the_labels(tmp_path: Path) -> None:
    faces = drawn_faces()
    rows = [row.partition(",")[2] for row in vote_rows(faces)]  # without Usage
    votes = write_votes(tmp_path, rows[1:] + rows[:1], header=f"Image name,{COLUMNS}")
    assert load_splits(write_csv(faces, tmp_path), ReadOptions(votes=votes)).votes_hash()
    votes = write_votes(tmp_path, rows[9:] + rows[:9], header=f"Image name,{COLUMNS}")
    with pytest.raises(UserError, match=r"given label on only \d+% of the faces, so its rows are"):
        load_splits(write_csv(faces, tmp_path), ReadOptions(votes=votes))


def test_rows_that_are_left_out_keep_the_order_of_the_votes(tmp_path: Path) -> None:
    faces = drawn_faces()
    data = write_csv(faces, tmp_path)
    lines = data.read_text().splitlines(keepends=True)
    lines[5] = "0,1 2 3,Training\n"
    data.write_text("".join(lines))
    votes = write_votes(tmp_path, vote_rows(faces))
    splits = load_splits(data, ReadOptions(skip_bad=True, votes=votes))
    assert all(is_agreed(splits[name]).all() for name in SPLIT_NAMES)


def test_votes_on_a_split_without_a_known_label_are_no_bug(tmp_path: Path) -> None:
    others = [face for face in drawn_faces() if face.usage != "PublicTest"]
    faces = [*others, Face(12, "PublicTest", others[0].image)]
    votes = write_votes(tmp_path, [*vote_rows(others), "PublicTest,,0,0,0,0,0,0,0,0,0,9"])
    with pytest.raises(UserError, match="the validation split has no faces of angry"):
        load_splits(write_csv(faces, tmp_path), ReadOptions(skip_bad=True, votes=votes))


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        ("a,b\n1,2\n", "no column of votes for angry, disgust"),
        ("angry\n", "has no rows of votes"),
        ("", "has no rows of votes"),
        ("angry,happy\n\n1,2\n3", "row 4: 1 values instead of 2"),
        ('angry,happy\n"1,2\n3', "row 2: 1 values instead of 2"),
    ],
)
def test_a_file_that_is_no_table_of_votes_is_refused(
    tmp_path: Path, content: str, problem: str
) -> None:
    (tmp_path / "votes.csv").write_text(content)
    data = write_csv(drawn_faces(), tmp_path)
    with pytest.raises(UserError, match=problem):
        load_splits(data, ReadOptions(votes=tmp_path / "votes.csv"))


def test_images_without_a_table_and_missing_files_are_refused(tmp_path: Path) -> None:
    faces = drawn_faces()
    votes = ReadOptions(votes=write_votes(tmp_path, vote_rows(faces)))
    with pytest.raises(UserError, match=r"images without a table.* name fer2013\.csv, or FER"):
        load_splits(write_folders_zip(faces, tmp_path), votes)
    with pytest.raises(UserError, match="--votes needs a data set"):
        load_splits(None, votes)
    demo_hash = draw_demo_splits().content_hash()
    with pytest.raises(UserError, match="began without votes, so leave out --votes"):
        reload_splits(None, votes, "demo", demo_hash, None)
    missing = ReadOptions(votes=tmp_path / "gone.csv")
    with pytest.raises(UserError, match=r"gone\.csv, people's votes, is no file"):
        load_splits(write_csv(faces, tmp_path), missing)


def write_ferplus(faces: list[Face], folder: Path, votes: Callable[[Face], str]) -> Path:
    """Write the layout of FER+: FER2013Train/fer0.png, ... and FER2013Train/label.csv."""
    names = {"Training": "FER2013Train", "PublicTest": "FER2013Valid", "PrivateTest": "FER2013Test"}
    lines: dict[str, list[str]] = {}
    for index, face in enumerate(faces):
        split = names[face.usage]
        place(face, folder / "ferplus" / split / f"fer{index}.png")
        lines.setdefault(split, []).append(f'fer{index}.png,"(0, 0, 48, 48)",{votes(face)}\n')
    for split, own in lines.items():
        (folder / "ferplus" / split / "label.csv").write_text("".join(own))
    return folder / "ferplus"


def test_ferplus_folders_are_a_data_set_whose_labels_have_the_most_votes(tmp_path: Path) -> None:
    splits = load_splits(write_ferplus(drawn_faces(), tmp_path, agreeing_votes))
    expected = load_splits(write_csv(drawn_faces(), tmp_path))
    assert splits.content_hash() == expected.content_hash()
    assert splits.classes == EMOTIONS
    assert all(is_agreed(splits[name]).all() for name in SPLIT_NAMES)


def test_a_zip_of_ferplus_folders_is_read_alike_and_from_the_cache_too(tmp_path: Path) -> None:
    folder = write_ferplus(drawn_faces(), tmp_path, agreeing_votes)
    with zipfile.ZipFile(tmp_path / "ferplus.zip", "w") as archive:
        for file in sorted(folder.rglob("*.*")):
            archive.write(file, file.relative_to(folder))
    hashes = {load_splits(tmp_path / "ferplus.zip").votes_hash() for _ in range(2)}
    assert hashes == {load_splits(folder).votes_hash()}
    assert None not in hashes


def test_faces_without_an_expression_for_most_people_are_left_out_and_counted(
    tmp_path: Path,
) -> None:
    faces = drawn_faces()
    unclear = {id(faces[0]): "0,0,0,0,4,0,0,0,3,3", id(faces[1]): "0,0,0,0,0,0,0,9,1,0"}
    tied = {id(faces[2]): "0,0,0,0,5,0,5,0,0,0"}
    votes = unclear | tied
    folder = write_ferplus(faces, tmp_path, lambda f: votes.get(id(f), agreeing_votes(f)))
    splits = load_splits(folder)
    assert len(splits.train) == sum(f.usage == "Training" for f in faces) - 2
    note = "faces left out, since most people saw an unknown expression or no face: 2"
    assert note in splits.notes
    assert find_plurality(splits.train).tolist() == splits.train.labels.tolist()
    assert is_agreed(splits.train).sum() == len(splits.train) - 1


def test_ferplus_folders_with_other_votes_or_damaged_rows_are_refused(tmp_path: Path) -> None:
    faces = drawn_faces()
    folder = write_ferplus(faces, tmp_path, agreeing_votes)
    votes = ReadOptions(votes=write_votes(tmp_path, vote_rows(faces)))
    with pytest.raises(UserError, match="ferplus has votes of its own"):
        load_splits(folder, votes)
    faces_hash = load_splits(folder).content_hash()
    with pytest.raises(UserError, match=r"not the votes of study s; name its data with --data"):
        reload_splits(folder, ReadOptions(), "s", faces_hash, "other votes")
    with (folder / "FER2013Train" / "label.csv").open("a") as file:
        file.write("more.png,1,2\n")
    with pytest.raises(UserError, match=r"label\.csv, row 43: 3 values instead of 12"):
        load_splits(folder)


@pytest.mark.parametrize("content", [b"image,label\n", b"0.png,angry\n", b"\n", b"\xff\xfe\xe9"])
def test_another_label_file_beside_class_folders_is_skipped(tmp_path: Path, content: bytes) -> None:
    folder = write_kaggle_folders(drawn_faces(), tmp_path)
    expected = load_splits(folder).content_hash()
    (folder / "label.csv").write_bytes(content)
    assert load_splits(folder).content_hash() == expected
