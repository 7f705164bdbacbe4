"""Folders that name no expressions, or may hold faces twice, are refused."""

from collections.abc import Sequence
from pathlib import PurePosixPath

import pytest

from fer_tune.common.errors import UserError
from fer_tune.data.formats.check_image_folders import check_folders
from fer_tune.data.formats.image_locations import parse_folders


def check(*folders: str, class_names: Sequence[str] = ()) -> None:
    paths = [PurePosixPath(folder, "1.png") for folder in folders]
    check_folders(parse_folders(paths, "faces", class_names), "faces", class_names)


@pytest.mark.parametrize(
    ("folders", "message"),
    [
        (["KDEF/AF01", "KDEF/AM02"], "AF01/ and others look like people"),
        (["train/AU1", "train/AU2"], r'look like people .* classes, name them: --labels "AU1=\?'),
        (["S005/001", "S005/002", "S010/001"], "S005/ and others look like people"),
        (["train/1", "train/2"], r'by numbers \(1, 2\).* --labels "1=\?,2=\?"'),
        (["train/Joy", "train/7"], r'by numbers \(7\).* --labels "7=\?,Joy=happy"'),
        (["class_0", "class_1"], r"by numbers \(class_0, class_1\)"),
        (["M/103", "M/104"], "103/ and others look like people or parts"),
        ([f"images/{n}" for n in range(19)], "12/ and others look like people or parts"),
        (["train/male/wink", "train/female/wink"], "which folder is the class"),
        (["train/alice/grin", "train/bob/grin"], "alice/grin/ and bob/grin/: which folder is"),
    ],
)
def test_folders_that_name_no_expression_are_refused(folders: Sequence[str], message: str) -> None:
    with pytest.raises(UserError, match=message):
        check(*folders)


@pytest.mark.parametrize(
    ("folders", "message"),
    [
        (["fer/train/sad", "mine/train/sad"], r"several data sets \(fer/, mine/\); name one"),
        (
            ["original/sad", "augmented/sad"],  # to merge them would double faces
            r"several data sets \(augmented/, original/\); .*, or move [a-z ]*away$",
        ),
        (["images/train/sad", "images/images/train/sad"], r"data sets \(images/, images/images/\)"),
        (
            ["x-20T1-001/train/sad", "x-20T1-002/test/sad"],
            "or merge them if they are parts of",
        ),
        (["VL/Dark/P1/sad", "VL/Strong/P1/sad"], r"several data sets \(VL/Dark/, VL/Strong/\)"),
        (["fold1/sad", "fold2/sad"], "several data sets"),
        (["fold1/train/sad", "fold2/train/sad"], "several data sets"),
        (["train1/sad", "train2/sad"], "several data sets"),
        (["dataset1/sad", "dataset2/sad"], "several data sets"),
        (["lern/sad", "pruef/sad"], "If they are splits, rename them .*validation: val, valid"),
        (["train/original/sad", "train/aligned/sad"], "may hold the same faces; move one of them"),
        (["train/sad", "train/augmented/sad"], "train/ and train/augmented/ may hold the same"),
        (["sad/48x48", "sad/96x96"], "sad/48x48/ and sad/96x96/ may hold the same"),
        (["train/sad", "train/sad - Copy"], "train/sad/ and train/sad - Copy/ may hold the same"),
        (["train1/sad", "train2/sad", "test/sad"], "train1/ and train2/ are both the train split"),
        (["train/sad", "val/sad", "eval/sad"], "eval/ and val/ are both the validation split"),
        (["train/sad", "train/train/sad"], "are both the train split"),
        (["train/sad", "extra/sad"], "extra/angry/ is in no split, .* validation: val, valid"),
    ],
)
def test_faces_that_may_be_doubled_or_mixed_are_refused(
    folders: Sequence[str], message: str
) -> None:
    both = [folder.replace("sad", word) for word in ("sad", "angry") for folder in folders]
    with pytest.raises(UserError, match=message):
        check(*both)


def test_numbers_and_codes_that_the_user_names_are_classes() -> None:
    check("train/1", "train/2", "test/1", class_names=["1", "2"])
    check("AF01", "AF02", class_names=["af01", "af02"])
