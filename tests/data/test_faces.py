from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from fer_tune.data.demo.demo_splits import draw_demo_splits
from fer_tune.data.faces import SPLIT_NAMES, Faces
from fer_tune.data.load import load_splits
from fer_tune.data.resampling import apply_data_plan
from fer_tune.data.subsample import draw_stratified_sample
from tests.data.held import (
    WRITERS,
    Face,
    drawn_faces,
    write_csv,
    write_folders_zip,
    write_plain_parquet,
)

pytestmark = pytest.mark.usefixtures("own_folders")


def find_original(name: str, writer: str, faces: list[Face]) -> Face:
    """Return the face that was written to the place of this name."""
    if writer == "write_hub_parquet":
        usage = {"train": "Training", "validation": "PublicTest", "test": "PrivateTest"}
        own = [f for f in faces if f.usage == usage[name.split("/")[1].split("-")[0]]]
        return own[int(name.rpartition(" ")[2]) - 1]
    if ", row " in name:
        return faces[int(name.rpartition(" ")[2]) - (1 if "parquet" in writer else 2)]
    return faces[int(name.removesuffix(".png").replace("/", "_").rpartition("_")[2])]


@pytest.mark.parametrize("write", WRITERS, ids=lambda write: write.__name__)
def test_a_face_of_every_format_and_split_is_called_by_its_file_or_row(
    write: Callable[[list[Face], Path], Path], tmp_path: Path
) -> None:
    faces = drawn_faces()
    path = write(faces, tmp_path)
    for _ in ("decoded", "cached"):
        splits = load_splits(path)
        names = [name for split in SPLIT_NAMES for name in splits[split].names.tolist()]
        assert len(set(names)) == len(faces)
        for split in SPLIT_NAMES:
            for name, image in zip(splits[split].names, splits[split].images, strict=True):
                np.testing.assert_array_equal(
                    find_original(str(name), write.__name__, faces).image, image
                )


@pytest.mark.parametrize(
    ("write", "name"),
    [
        (write_csv, "fer2013.csv, row 2"),  # row 1 is the header, as a spreadsheet counts
        (write_plain_parquet, "fer.parquet, row 1"),
        (write_folders_zip, "train/angry/0.png"),
    ],
    ids=lambda value: getattr(value, "__name__", None),
)
def test_the_first_face_has_this_name(
    write: Callable[[list[Face], Path], Path], name: str, tmp_path: Path
) -> None:
    splits = load_splits(write(drawn_faces(), tmp_path))
    (index,) = np.flatnonzero(splits.train.names == name)
    np.testing.assert_array_equal(splits.train.images[index], drawn_faces()[0].image)


def test_names_do_not_change_the_hash(tmp_path: Path) -> None:
    hashes = {
        load_splits(write(drawn_faces(), tmp_path)).content_hash()
        for write in (write_csv, write_plain_parquet)
    }
    assert len(hashes) == 1


def test_samples_and_augmented_copies_have_the_names_of_their_faces() -> None:
    train = draw_demo_splits().train
    images = dict(zip(train.names.tolist(), train.images, strict=True))
    sample = draw_stratified_sample(train, 100, seed=0)
    for name, image in zip(sample.names.tolist(), sample.images, strict=True):
        np.testing.assert_array_equal(image, images[name])
    plan = apply_data_plan("oversampled", sample, seed=0)
    labels = dict(zip(train.names.tolist(), train.labels.tolist(), strict=True))
    assert [labels[name] for name in plan.faces.names.tolist()] == plan.faces.labels.tolist()


def test_faces_without_names_are_called_by_their_position() -> None:
    faces = Faces(np.zeros((3, 48, 48), np.uint8), np.arange(3))
    assert faces.take(np.array([2, 0])).names.tolist() == ["2", "0"]


def test_a_name_for_each_face_is_needed() -> None:
    with pytest.raises(ValueError, match="images, labels and names are "):
        Faces(np.zeros((3, 48, 48), np.uint8), np.arange(3), np.array(["a"]))
