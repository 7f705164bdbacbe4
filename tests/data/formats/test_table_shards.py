from pathlib import Path, PurePath, PurePosixPath

import numpy as np
import pyarrow as pa
import pyarrow.parquet
import pytest

from fer_tune.common.errors import UserError
from fer_tune.data.faces import SPLIT_NAMES
from fer_tune.data.formats.table_shards import check_tables
from fer_tune.data.load import load_splits
from tests.data.held import SPLIT_OF, Face, drawn_faces, write_csv

HASH_A, HASH_B = "8a4c3f0bd5b2f1c4", "17be90aa3321c0de"


def check(*names: str) -> None:
    check_tables(map(PurePosixPath, names), "faces")


@pytest.mark.parametrize(
    "names",
    [
        ["fer2013.parquet"],
        ["train-00000-of-00001.parquet", "test-00000-of-00001.parquet"],
        ["data/train-00000-of-00002.parquet", "data/train-00001-of-00002.parquet", "data/test.csv"],
        [f"train-0000{n}-of-00002-{own}.parquet" for n, own in enumerate((HASH_A, HASH_B))],
        ["default/train/0000.parquet", "default/train/0001.parquet", "default/test/0000.parquet"],
        ["plain_text/partial-train/0000.parquet", "plain_text/validation/0000.parquet"],
        ["train.parquet", "val.parquet", "test.parquet"],
        ["FER2013Train.parquet", "FER2013Valid.parquet", "FER2013Test.parquet"],
        ["fer2013_train.csv", "fer2013_test.csv"],
        ["fer_train/0.parquet", "fer_test/0.parquet"],
        ["split=train/part-0.parquet", "split=test/part-0.parquet"],
        [f"part-0000{n}-0a1b2c3d-4e5f-c000.snappy.parquet" for n in range(3)],
        ["train-1-of-2.parquet", "train-2-of-2.parquet"],
        ["train_0.csv", "train_1.csv", "train_2.csv", "test.csv"],
        ["faces1.parquet", "faces2.parquet"],
        ["fer².parquet"],
        ["2026-01-train-1.parquet", "2026-01-train-2.parquet"],
    ],
)
def test_the_splits_and_shards_of_one_data_set_are_read(names: list[str]) -> None:
    check(*names)


@pytest.mark.parametrize(
    "names",
    [
        ["fer2013/train-00000-of-00001.parquet", "ferplus/train-00000-of-00001.parquet"],
        ["fer2013/train.parquet", "fer2013/test.parquet", "raf/test.parquet"],
        ["plain_text/train/0000.parquet", "default/train/0000.parquet"],
        ["train.parquet", "train-00000-of-00001.parquet"],
        ["data/train-00000-of-00001.parquet", "train-00000-of-00001.parquet"],
        [f"train-00000-of-00001-{own}.parquet" for own in (HASH_A, HASH_B)],
        ["train-00000-of-00001.parquet", "train-00000-of-00002.parquet"],
        ["train.parquet", "train (1).parquet"],
        ["train (1).parquet", "train (2).parquet"],
        ["train.parquet", "train copy.parquet"],
        ["fer2013.csv", "icml_face_data.csv"],
        ["fer2013.parquet", "fer2016.parquet"],
        ["train_v1.parquet", "train_v2.parquet"],
        ["fer2013.csv", "test.csv"],
        ["snapshots/0123abcd/train.parquet", "snapshots/4567cdef/train.parquet"],
        ["0000.parquet", "0002.parquet"],
        ["fold1/train.csv", "fold2/train.csv"],
    ],
)
def test_data_sets_side_by_side_are_refused_by_name(names: list[str]) -> None:
    with pytest.raises(UserError, match="faces holds several data sets") as error:
        check(*names)
    places = [names[0], *map(str, PurePath(names[0]).parents[:-1])]
    assert any(place in str(error.value) for place in places)
    assert str(error.value).endswith("or move the others away")


@pytest.mark.parametrize(
    ("names", "message"),
    [
        (["train-00000-of-00003.parquet"], "2 of 3 shards like train-00000-of-00003.parquet are"),
        (["test.parquet", "train-2-of-2.csv"], "1 of 2 shards like train-2-of-2.csv are missing"),
        (["a/train_1_of_3.csv", "a/train_0_of_3.csv"], "1 of 3 shards like train_0_of_3.csv are"),
        ([f"train-00001-of-00002-{HASH_A}.parquet"], "1 of 2 shards like train-00001-of-00002-"),
        (["train-0-of-99999999999.parquet"], "99,999,999,998 of 99,999,999,999 shards like train-"),
    ],
)
def test_missing_shards_are_counted(names: list[str], message: str) -> None:
    with pytest.raises(UserError) as error:
        check(*names)
    assert message in str(error.value)
    assert str(error.value).endswith("name the folder that holds all, or download them")


def write_parquet(path: Path, faces: list[Face]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    table = pa.table({"image": [f.png for f in faces], "label": [f.emotion for f in faces]})
    pyarrow.parquet.write_table(table, path)


def test_the_shards_of_every_split_make_the_data_set(folder: Path, tmp_path: Path) -> None:
    faces = drawn_faces()
    for usage, split in SPLIT_OF.items():
        own = [f for f in faces if f.usage == usage]
        for number, shard in enumerate(np.array_split(np.arange(len(own)), 3)):
            name = f"{split}-{number:05}-of-00003.parquet"
            write_parquet(folder / "data" / name, [own[i] for i in shard])
    splits = load_splits(folder)
    assert splits.content_hash() == load_splits(write_csv(faces, tmp_path)).content_hash()
    (folder / "data" / "train-00001-of-00003.parquet").unlink()
    with pytest.raises(UserError, match="1 of 3 shards like train-00000-of-00003"):
        load_splits(folder)


def test_a_hubs_converted_branch_is_read(folder: Path) -> None:
    for usage, split in SPLIT_OF.items():
        name = "partial-train" if split == "train" else split
        own = [f for f in drawn_faces() if f.usage == usage]
        write_parquet(folder / "default" / name / "0000.parquet", own[::2])
        write_parquet(folder / "default" / name / "0001.parquet", own[1::2])
    splits = load_splits(folder)
    assert [len(splits[name]) for name in SPLIT_NAMES] == [42, 14, 14]


def test_two_data_sets_of_a_hub_are_refused_until_one_is_named(folder: Path) -> None:
    for name in ("fer2013", "ferplus"):
        write_parquet(folder / name / "train-00000-of-00001.parquet", drawn_faces())
    with pytest.raises(UserError, match=r"several data sets \(fer2013, ferplus\)"):
        load_splits(folder)
    assert len(load_splits(folder / "fer2013").train) > 0
