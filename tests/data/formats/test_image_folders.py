"""Splits by folders and file names, and what is said of labels beside the images."""

from pathlib import Path

import pytest

from fer_tune.common.errors import UserError
from fer_tune.data.formats.decoded_faces import DecodedFaces
from fer_tune.data.formats.detect_format import read_faces
from tests.data.held import drawn_faces, place

OVERRULED = "images in the split of their folder, whose file names begin with another: {}"


def write(folder: Path, *names: str) -> DecodedFaces:
    """Write a face to each path, and read the folder."""
    for name in names:
        place(drawn_faces()[0], folder / name)
    return read_faces(folder)


def count(decoded: DecodedFaces) -> dict[str, int]:
    return {name: len(faces) for name, faces in decoded.splits.items()}


def test_a_users_own_folders_win_over_file_names_and_this_is_said(folder: Path) -> None:
    own = {"train": "Training", "val": "Training", "test": "PublicTest"}
    names = [f"{split}/{c}/{start}_1.png" for split, start in own.items() for c in ("sad", "happy")]
    decoded = write(folder, *names, "test/sad/PrivateTest_1.png")
    assert count(decoded) == {"train": 2, "validation": 2, "test": 3}
    assert decoded.notes == (OVERRULED.format(4),)


def test_file_names_divide_the_test_folder_of_kaggles_copy(folder: Path) -> None:
    names = [f"{c}/{s}_1.png" for c in ("sad", "happy") for s in ("PublicTest", "PrivateTest")]
    decoded = write(folder, "train/sad/Training_1.png", *(f"test/{name}" for name in names))
    assert count(decoded) == {"train": 1, "validation": 2, "test": 2}
    assert decoded.notes == ()


def test_a_test_face_moved_into_the_training_folder_trains(folder: Path) -> None:
    names = "train/sad/PublicTest_1.png", "train/happy/1.png", "test/happy/Training_1.png"
    decoded = write(folder, *names)
    assert count(decoded) == {"train": 2, "test": 1}
    assert decoded.notes == (OVERRULED.format(2),)


def test_without_folders_of_splits_the_file_names_decide_if_all_have_one(folder: Path) -> None:
    decoded = write(folder, "sad/train_01_aligned.png", "happy/test_01_aligned.png")
    assert count(decoded) == {"train": 1, "test": 1}
    decoded = write(folder, "sad/train_01_aligned.png", "sad/test_2.png", "sad/me.png")
    assert count(decoded) == {"train": 4}
    assert decoded.notes == (
        "only some file names begin with a split, so these names were not used",
    )


@pytest.mark.parametrize(
    "images",
    ["FER2013Train/fer0.png", "Image/aligned/train_1_aligned.png", "train_set/images/0.png"],
)
def test_labels_beside_the_images_are_said_not_to_be_read(images: str, folder: Path) -> None:
    place(drawn_faces()[0], folder / images)
    (folder / "labels.csv").write_text("1,happy")
    message = r"put the images into one folder .*labels in tables and in file names are not read"
    with pytest.raises(UserError, match=message):
        read_faces(folder)
