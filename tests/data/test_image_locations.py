"""What folders are taken for: by their names first, then by their place."""

from collections.abc import Sequence
from pathlib import PurePosixPath

import pytest

from fer_tune.common.errors import UserError
from fer_tune.data.formats.image_locations import interpret_folders


def interpret(*folders: str) -> tuple[list[str], tuple[str, ...]]:
    """Return "split/class" of each folder, and the notes."""
    paths = [PurePosixPath(folder, "1.png") for folder in folders]
    meanings, notes = interpret_folders(paths, "faces")
    read = [meanings[path.parts[:-1]] for path in paths]
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
        (["train_afew/happy", "val_afew/happy"], ["train/happy", "validation/happy"]),
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
            "folders between split and class, passed over: female, male",
        ),
        (["S001/sad", "S002/sad"], "folders around the data, passed over: S001, S002"),
        (["sad/left", "sad/right"], "folders inside the classes, passed over: left, right"),
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
        (["train/happy", "train/images"], "in no class folder, unlike those in train/happy/"),
        (["happy", "KDEF/AF01"], "KDEF/AF01/1.png is in no class folder"),
        (["mine"], "all images are in mine/"),
        (["KDEF/AF01", "KDEF/AM02"], "AF01/ and others look like people"),
        (["train/person_1", "train/person_2"], "person_1/ and others look like people"),
        (["S005/001", "S005/002", "S010/001"], "S005/ and others look like people"),
        (["train/1", "train/2"], r'by numbers \(1, 2\).* --labels "1=happy,2=sad,..."'),
        (["train/happy", "train/7"], r"by numbers \(7\)"),
        (["class_0", "class_1"], r"by numbers \(class_0, class_1\)"),
        (["train/male/wink", "train/female/wink"], "which folder is the class"),
    ],
)
def test_folders_that_name_no_expression_are_refused(folders: Sequence[str], message: str) -> None:
    with pytest.raises(UserError, match=message):
        interpret(*folders)


@pytest.mark.parametrize(
    ("folders", "message"),
    [
        (["fer/train/happy", "mine/train/happy"], r"several data sets \(fer/, mine/\); name one"),
        (["original/happy", "augmented/happy"], r"several data sets \(augmented/, original/\)"),
        (["images/train/sad", "images/images/train/sad"], "several data sets"),
        (["fold1/sad", "fold2/sad"], "several data sets"),
        (["train1/sad", "train2/sad"], "several data sets"),
        (["dataset1/sad", "dataset2/sad"], "several data sets"),
        (["lern/happy", "pruef/happy"], "if they are splits, rename them .*validation: val, valid"),
        (["train/original/sad", "train/aligned/sad"], "may hold the same faces; move one of them"),
        (["train/happy", "train/augmented/happy"], "train/ and train/augmented/ may hold the same"),
        (["happy/48x48", "happy/96x96"], "happy/48x48/ and happy/96x96/ may hold the same"),
        (["train1/sad", "train2/sad", "test/sad"], "train1/ and train2/ are both the train split"),
        (["train/sad", "val/sad", "eval/sad"], "eval/ and val/ are both the validation split"),
        (["train/sad", "train/train/sad"], "are both the train split"),
        (["train/happy", "extra/happy"], "extra/happy/ is in no split, .* validation: val, valid"),
    ],
)
def test_faces_that_may_be_doubled_or_mixed_are_refused(
    folders: Sequence[str], message: str
) -> None:
    with pytest.raises(UserError, match=message):
        interpret(*folders)
