"""What folders are taken for: by their names first, then by their place."""

from collections.abc import Sequence
from pathlib import PurePosixPath

import pytest

from fer_tune.common.errors import UserError
from fer_tune.data.formats.image_locations import (
    describe_ignored_folders,
    parse_folders,
)


def interpret(*folders: str, class_names: Sequence[str] = ()) -> tuple[list[str], tuple[str, ...]]:
    """Return "split/class" of each folder, and the notes."""
    paths = [PurePosixPath(folder, "1.png") for folder in folders]
    meanings = parse_folders(paths, "faces", class_names)
    read = [meanings[path.parts[:-1]] for path in paths]
    notes = tuple(describe_ignored_folders([*meanings.values()]))
    return [f"{meaning.split}/{meaning.label}" for meaning in read], notes


@pytest.mark.parametrize(
    ("folders", "meant"),
    [
        (["train/happy", "test/sad"], ["train/happy", "test/sad"]),
        (["happy", "sad"], ["None/happy", "None/sad"]),
        (["a/b/val/images/happy", "a/b/train/happy"], ["validation/happy", "train/happy"]),
        (["original/happy", "original/sad"], ["None/happy", "None/sad"]),
        (["train/happy/aligned", "train/sad/aligned"], ["train/happy", "train/sad"]),
        (["train/train/happy", "test/test/sad"], ["train/happy", "test/sad"]),
        (["happy/train", "happy/test"], ["train/happy", "test/happy"]),
        (["my_own_train/happy", "my_own_val/happy"], ["train/happy", "validation/happy"]),
        (["trainval/happy", "testdata/happy"], ["train/happy", "test/happy"]),
        (["positive/happy", "negative/sad"], ["None/happy", "None/sad"]),
        (
            ["train/happy", "train/bored", "test/bored"],
            ["train/happy", "train/bored", "test/bored"],
        ),
        (["happy/p1", "bored/p1"], ["None/happy", "None/bored"]),
        (["train/wink", "test/frown"], ["train/wink", "test/frown"]),
        (["train/images/wink", "test/images/frown"], ["train/wink", "test/frown"]),
        (["mine2/wink", "mine2/frown"], ["None/wink", "None/frown"]),
        (["train driver", "bus driver"], ["None/train driver", "None/bus driver"]),
    ],
)
def test_the_class_is_found_by_its_name_and_then_by_its_place(
    folders: Sequence[str], meant: Sequence[str]
) -> None:
    assert interpret(*folders)[0] == meant


@pytest.mark.parametrize(
    ("folders", "note"),
    [
        (
            ["train/male/happy", "train/female/happy", "test/male/happy"],
            "folders that are neither split nor class: female, male",
        ),
        (
            ["train/fold1/sad", "train/fold2/sad"],
            "folders that are neither split nor class: fold1, fold2",
        ),
        (["S001/sad", "S002/sad"], "folders that are neither split nor class: S001, S002"),
        (["sad/left", "sad/right"], "folders that are neither split nor class: left, right"),
    ],
)
def test_folders_passed_over_are_said(folders: Sequence[str], note: str) -> None:
    assert interpret(*folders)[1] == (note,)


@pytest.mark.parametrize(
    ("folders", "message"),
    [
        (["FER2013Train", "FER2013Test"], "FER2013Train/1.png is in no class folder; put the"),
        (["Image/aligned", "Image/original"], "is in no class folder"),
        (["train_set/images", "val_set/images"], "is in no class folder"),
        (["train/happy", "train/images"], "train/images/1.png is in no class folder"),
        (["asl_train/asl_train/A", "asl_test/asl_test"], "asl_test/asl_test/1.png is in no class"),
        (["happy", "KDEF/AF01"], "KDEF/AF01/1.png is in no class folder"),
    ],
)
def test_images_in_no_class_folder_are_refused(folders: Sequence[str], message: str) -> None:
    with pytest.raises(UserError, match=message):
        interpret(*folders)


def test_a_label_that_the_user_names_is_a_class_at_any_place() -> None:
    labels = ["1", "an"]
    read, notes = interpret("train/S01/AN", "train/S02/01", class_names=labels)
    assert read == ["train/AN", "train/01"]
    assert notes == ("folders that are neither split nor class: S01, S02",)
