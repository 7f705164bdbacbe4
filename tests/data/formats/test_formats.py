"""The same faces in every format give the same arrays."""

import os
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from unicodedata import normalize

import numpy as np
import pyarrow as pa
import pyarrow.parquet
import pytest
from PIL import Image

from fer_tune.common.errors import UserError
from fer_tune.data.faces import EMOTIONS, SPLIT_NAMES, Splits
from fer_tune.data.load import load_splits
from tests.data.held import (
    SPLIT_OF,
    WRITERS,
    Face,
    drawn_faces,
    place,
    write_csv,
    write_icml_csv,
    write_kaggle_folders,
    write_plain_parquet,
    written,
)


def some_of(real_faces: Path) -> list[Face]:
    """One in 25 of the real faces."""
    with zipfile.ZipFile(real_faces) as archive:
        return [
            Face(EMOTIONS.index(label), file.split("_")[0], np.asarray(Image.open(archive.open(n))))
            for n in archive.namelist()[::25]
            for _, label, file in [n.split("/")]
        ]


@pytest.fixture(scope="module", params=["drawn", "real"])
def faces(request: pytest.FixtureRequest) -> list[Face]:
    if request.param == "drawn":
        return drawn_faces()
    return some_of(request.getfixturevalue("real_faces"))


@pytest.mark.parametrize("write", WRITERS)
def test_every_format_gives_the_arrays_of_fer2013_csv(
    write: Callable[[list[Face], Path], Path], faces: list[Face], tmp_path: Path, folder: Path
) -> None:
    expected = load_splits(write_csv(faces, tmp_path))
    splits = load_splits(write(faces, folder))
    assert splits.classes == expected.classes == EMOTIONS
    assert splits.content_hash() == expected.content_hash()
    assert splits.protocol == expected.protocol


@pytest.mark.parametrize("write", WRITERS)
def test_fer2013_keeps_the_hash_of_the_studies_that_trained_on_it(
    write: Callable[[list[Face], Path], Path], folder: Path
) -> None:
    """Recorded by the version before class folders were found by their names."""
    recorded = "5d7d5a4bc8808dc4d321c21a22d281611bbc1f30531eca871805fc8d26dbae7e"
    assert load_splits(write(drawn_faces(), folder)).content_hash() == recorded


@pytest.mark.parametrize(
    ("path", "recorded"),
    [
        ("{emotion}/{n}", "0737f056741c9e54383cb2f4d40bbf564d19b95231d3a1b87d39983be2f724d9"),
        (
            "{emotion}/{usage}_{n}",
            "5d7d5a4bc8808dc4d321c21a22d281611bbc1f30531eca871805fc8d26dbae7e",
        ),
        (
            "{own}/{emotion}/{n}",
            "17ea9b221f44d5e9ef7a755f2ea98fc7674ce0136d6e2c41d6ac97d7307f1083",
        ),
        (
            "fer/archive/{own}/{emotion}/{usage}_{n}",
            "5d7d5a4bc8808dc4d321c21a22d281611bbc1f30531eca871805fc8d26dbae7e",
        ),
    ],
)
def test_folders_of_fer2013_keep_their_hashes(path: str, recorded: str, folder: Path) -> None:
    for n, face in enumerate(drawn_faces()):
        own = "train" if face.usage == "Training" else "test"
        name = path.format(own=own, emotion=face.emotion, usage=face.usage, n=n)
        place(face, folder / f"{name}.png")
    assert load_splits(folder).content_hash() == recorded


def test_the_faces_are_those_that_were_written(folder: Path) -> None:
    faces = drawn_faces()
    splits = load_splits(write_csv(faces, folder))
    for usage, name in SPLIT_OF.items():
        expected = {(f.label, f.image.tobytes()) for f in faces if f.usage == usage}
        assert {*pairs(splits, name)} == expected


def pairs(splits: Splits, name: str) -> Iterator[tuple[int, bytes]]:
    faces = getattr(splits, name)
    for image, label in zip(faces.images, faces.labels, strict=True):
        yield int(label), image.tobytes()


def test_the_challenge_train_csv_is_divided_into_three(folder: Path) -> None:
    rows = [f"{f.label},{f.pixels}\n" for f in drawn_faces()]
    written(folder / "train.csv", "emotion,pixels\n" + "".join(rows))
    written(folder / "test.csv", "pixels\n" + "1 2 3\n")
    splits = load_splits(folder)
    assert [len(splits[name]) for name in SPLIT_NAMES] == [56, 7, 7]
    assert "The data set has no splits" in splits.protocol


def test_a_users_own_classes_keep_their_names_in_sorted_order(folder: Path) -> None:
    for face in drawn_faces():
        name = ("wink", "frown")[face.label % 2]
        place(face, folder / SPLIT_OF[face.usage] / name / f"{id(face)}.png")
    assert load_splits(folder).classes == ("frown", "wink")


def test_an_accent_apart_from_its_letter_makes_no_new_class(folder: Path) -> None:
    names = ("colère", normalize("NFD", "colère"), "joie")
    for index, face in enumerate(drawn_faces()):
        place(face, folder / SPLIT_OF[face.usage] / names[index % 3] / f"{index}.png")
    assert load_splits(folder).classes == ("colère", "joie")


def test_vowel_signs_and_accents_are_parts_of_letters(folder: Path) -> None:
    names = (
        "\u0916\u0941\u0936\u0940",
        "\u0e22\u0e34\u0e49\u0e21",
        "\u062d\u064f\u0632\u0646",
    )  # Hindi, Thai, Arabic
    for index, face in enumerate(drawn_faces()):
        place(face, folder / SPLIT_OF[face.usage] / names[index % 3] / f"{index}.png")
    assert load_splits(folder).classes == tuple(sorted(names))


# MLflow refuses these in names of metrics, or reads them as paths.
@pytest.mark.parametrize(
    "name",
    [
        "a/b",
        "../up",
        "/etc",
        ".",
        "..",
        "[red]a",
        "a\nb",
        "\x1b[2J",
        "a:b",
        "x" * 101,
        "\u0941",
        "a\u0941" * 51,
    ],
)
def test_a_class_whose_name_nothing_can_record_is_refused(name: str, folder: Path) -> None:
    faces = [Face(f.label % 2, f.usage, f.image) for f in drawn_faces()]
    labels = ["ok" if f.label else name for f in faces]
    columns = {"image": [f.png for f in faces], "label": labels}
    pyarrow.parquet.write_table(pa.table(columns), folder / "x.parquet")
    with pytest.raises(UserError, match="class name") as error:
        load_splits(folder)
    assert str(error.value).isprintable()


def test_a_class_folder_whose_name_is_no_text_is_refused(folder: Path) -> None:
    for face in drawn_faces():
        place(face, folder / os.fsdecode(b"sm\xefle" if face.label else b"sad") / f"{id(face)}.png")
    with pytest.raises(UserError, match=r"class name 'sm\\udcefle'"):
        load_splits(folder)


def test_more_classes_than_any_study_of_expressions_has_are_refused(folder: Path) -> None:
    for number in range(101):
        name = f"mood {chr(97 + number // 26)}{chr(97 + number % 26)}"
        place(drawn_faces()[0], folder / name / "1.png")
    with pytest.raises(UserError, match="holds 101 classes"):
        load_splits(folder)


def test_a_folder_with_two_data_sets_is_not_guessed_at(folder: Path) -> None:
    write_csv(drawn_faces(), folder)
    write_icml_csv(drawn_faces(), folder)
    with pytest.raises(UserError, match=r"several data sets \(fer2013.csv, icml_face_data.csv\)"):
        load_splits(folder)


def test_a_folder_with_two_kinds_of_data_is_not_guessed_at(folder: Path) -> None:
    write_csv(drawn_faces(), folder)
    write_plain_parquet(drawn_faces(), folder)
    with pytest.raises(UserError, match=r"several ways \(fer.parquet, fer2013.csv\)"):
        load_splits(folder)


def test_a_table_of_file_names_beside_the_images_is_passed_over(folder: Path) -> None:
    path = write_kaggle_folders(drawn_faces(), folder)
    written(path / "labels.csv", "file,label\ntrain/happy/1.png,happy\n")
    assert load_splits(path).classes == EMOTIONS


def test_images_outside_class_folders_are_an_error(folder: Path) -> None:
    place(drawn_faces()[0], folder / "train" / "1.png")
    with pytest.raises(UserError, match="is in no class folder"):
        load_splits(folder)


def test_an_empty_class_folder_is_noted(folder: Path) -> None:
    path = write_kaggle_folders(drawn_faces(), folder)
    (path / "train" / "contempt").mkdir()
    notes = load_splits(path).notes
    assert "folders without images or tables: 1 (first: train/contempt)" in notes


def test_a_face_of_each_class_is_too_few_to_divide(folder: Path) -> None:
    for face in (drawn_faces()[0], drawn_faces()[-1]):
        place(face, folder / face.emotion / "1.png")
    message = "no faces of angry, neutral; give each class some .* or 3 different ones"
    with pytest.raises(UserError, match=message):
        load_splits(folder)
