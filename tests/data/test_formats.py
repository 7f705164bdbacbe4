"""The same faces in every format that people hold give the same arrays."""

import io
import json
import os
import zipfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from unicodedata import normalize

import numpy as np
import pyarrow as pa
import pyarrow.parquet
import pytest
from numpy.typing import NDArray
from PIL import Image

from fer_tune.data.faces import EMOTIONS, SPLIT_NAMES, Splits
from fer_tune.data.formats import parquet
from fer_tune.data.load import load_splits
from fer_tune.errors import UserError

USAGES = ("Training", "PublicTest", "PrivateTest")
SPLIT_OF = dict(zip(USAGES, SPLIT_NAMES, strict=True))


@dataclass(frozen=True, eq=False)
class Face:
    label: int
    usage: str
    image: NDArray[np.uint8]

    @property
    def emotion(self) -> str:
        return EMOTIONS[self.label]

    @property
    def pixels(self) -> str:
        return " ".join(map(str, self.image.ravel()))

    @property
    def png(self) -> bytes:
        packed = io.BytesIO()
        Image.fromarray(self.image).save(packed, "PNG")
        return packed.getvalue()


def drawn_faces() -> list[Face]:
    rng = np.random.default_rng(0)
    return [
        Face(label, usage, rng.integers(0, 256, (48, 48), dtype=np.uint8))
        for usage, number in zip(USAGES, (6, 2, 2), strict=True)
        for label in range(len(EMOTIONS))
        for _ in range(number)
    ]


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


def write_csv(faces: list[Face], folder: Path) -> Path:
    rows = [f"{f.label},{f.pixels},{f.usage}\n" for f in faces]
    return written(folder / "fer2013.csv", "emotion,pixels,Usage\n" + "".join(rows))


def write_quoted_csv(faces: list[Face], folder: Path) -> Path:
    rows = [f'"{f.label}","{f.pixels}","{f.usage}"\r\n' for f in faces]
    return written(folder / "fer.csv", '\ufeff"emotion","pixels","Usage"\r\n' + "".join(rows))


def write_icml_csv(faces: list[Face], folder: Path) -> Path:
    rows = [f"{f.label},{f.usage},{f.pixels}\n" for f in faces]
    return written(folder / "icml_face_data.csv", "emotion, Usage, pixels\n" + "".join(rows))


def write_kaggle_folders(faces: list[Face], folder: Path) -> Path:
    for index, face in enumerate(faces):
        split = "train" if face.usage == "Training" else "test"
        place(face, folder / "fer" / split / face.emotion / f"{face.usage}_{index}.png")
    (folder / "fer" / "test" / "happy" / "Thumbs.db").write_bytes(b"no image")
    return folder / "fer"


def write_spelled_folders(faces: list[Face], folder: Path) -> Path:
    spelled = ("anger", "Disgusted", "FEARFUL", "happiness", "sadness", "surprised", "6_Neutral")
    splits = dict(zip(USAGES, ("Training", "val", "test"), strict=True))
    for index, face in enumerate(faces):
        # One folder too deep, as an unpacked archive often is.
        target = folder / "fer" / "images" / splits[face.usage] / spelled[face.label]
        place(face, target / f"{index}.png")
    return folder / "fer"


def write_folders_zip(faces: list[Face], folder: Path) -> Path:
    with zipfile.ZipFile(folder / "fer.zip", "w") as archive:
        for index, face in enumerate(faces):
            name = f"{SPLIT_OF[face.usage]}/{face.emotion}/{index}.png"
            archive.writestr(name, face.png)
            archive.writestr(f"__MACOSX/{name}", b"no image")
    return folder / "fer.zip"


def write_csv_zip_in_folder(faces: list[Face], folder: Path) -> Path:
    with zipfile.ZipFile(folder / "archive.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.write(write_csv(faces, folder), "fer2013/fer2013.csv")
    (folder / "fer2013.csv").unlink()
    return folder


def write_hub_parquet(faces: list[Face], folder: Path) -> Path:
    names = sorted(EMOTIONS)
    features = {"label": {"names": names, "_type": "ClassLabel"}, "image": {"_type": "Image"}}
    metadata = {"huggingface": json.dumps({"info": {"features": features}})}
    for usage in sorted({f.usage for f in faces}):
        own = [f for f in faces if f.usage == usage]
        table = pa.table(
            {
                "image": [{"bytes": f.png, "path": None} for f in own],
                "label": [names.index(f.emotion) for f in own],
            }
        )
        file = folder / "data" / f"{SPLIT_OF[usage]}-00000-of-00001.parquet"
        file.parent.mkdir(exist_ok=True)
        pyarrow.parquet.write_table(table.replace_schema_metadata(metadata), file)
    return folder


def write_plain_parquet(faces: list[Face], folder: Path) -> Path:
    columns = {
        "Usage": [f.usage for f in faces],
        "emotion": [f.label for f in faces],
        "png": [f.png for f in faces],
    }
    pyarrow.parquet.write_table(pa.table(columns), folder / "fer.parquet")
    return folder / "fer.parquet"


def written(path: Path, text: str) -> Path:
    path.write_bytes(text.encode())
    return path


def place(face: Face, path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(face.png)


WRITERS: tuple[Callable[[list[Face], Path], Path], ...] = (
    write_quoted_csv,
    write_icml_csv,
    write_kaggle_folders,
    write_spelled_folders,
    write_folders_zip,
    write_csv_zip_in_folder,
    write_hub_parquet,
    write_plain_parquet,
)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "faces").mkdir()
    return tmp_path / "faces"


@pytest.mark.parametrize("write", WRITERS)
def test_every_format_gives_the_arrays_of_fer2013_csv(
    write: Callable[[list[Face], Path], Path], faces: list[Face], tmp_path: Path, folder: Path
) -> None:
    expected = load_splits(write_csv(faces, tmp_path))
    splits = load_splits(write(faces, folder))
    assert splits.classes == expected.classes == EMOTIONS
    assert splits.content_hash() == expected.content_hash()
    assert splits.protocol == expected.protocol


def test_the_faces_are_those_that_were_written(folder: Path) -> None:
    faces = drawn_faces()
    splits = load_splits(write_csv(faces, folder))
    for usage, name in SPLIT_OF.items():
        wanted = {(f.label, f.image.tobytes()) for f in faces if f.usage == usage}
        assert {*pairs(splits, name)} == wanted


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
    assert "does not divide itself" in splits.protocol


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


# MLflow would take none of them for a metric's name, or take it for a path.
@pytest.mark.parametrize(
    "name",
    ["a/b", "../up", "/etc", ".", "..", "[red]a", "a\nb", "\x1b[2J", "a:b", "x" * 101],
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


def test_folders_of_something_else_than_expressions_are_refused(folder: Path) -> None:
    for number in range(101):
        place(drawn_faces()[0], folder / f"person {number}" / "1.png")
    with pytest.raises(UserError, match="holds 101 classes"):
        load_splits(folder)


def test_parquet_labels_without_names_are_noted(folder: Path) -> None:
    splits = load_splits(write_plain_parquet(drawn_faces(), folder))
    assert any("FER2013's order" in note for note in splits.notes)


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
    with pytest.raises(UserError, match="lies in no class folder"):
        load_splits(folder)


def test_links_out_of_the_folder_are_not_followed(folder: Path, tmp_path: Path) -> None:
    faces = drawn_faces()
    write_kaggle_folders(faces, folder)
    outside = tmp_path / "secret.png"
    outside.write_bytes(faces[0].png)
    (folder / "fer" / "train" / "happy" / "Training_x.png").symlink_to(outside)
    splits = load_splits(folder / "fer")
    assert len(splits.train) == sum(f.usage == "Training" for f in faces)
    assert any("not followed: 1" in note for note in splits.notes)


def test_an_empty_class_folder_is_noted(folder: Path) -> None:
    path = write_kaggle_folders(drawn_faces(), folder)
    (path / "train" / "contempt").mkdir()
    notes = load_splits(path).notes
    assert "folders without images: 1 (first: train/contempt)" in notes


def test_a_face_of_each_class_is_too_few_to_divide(folder: Path) -> None:
    for face in (drawn_faces()[0], drawn_faces()[-1]):
        place(face, folder / face.emotion / "1.png")
    with pytest.raises(UserError, match="no faces of angry, neutral to train on"):
        load_splits(folder)


def test_broken_parquet_is_one_clear_line(folder: Path) -> None:
    path = write_plain_parquet(drawn_faces(), folder)
    path.write_bytes(path.read_bytes()[:-20])
    with pytest.raises(UserError, match="no whole parquet file"):
        load_splits(path)


def test_parquet_without_images_is_told_what_it_has(folder: Path) -> None:
    pyarrow.parquet.write_table(pa.table({"x": [1], "label": [2]}), folder / "x.parquet")
    with pytest.raises(UserError, match="found x, label"):
        load_splits(folder)


@pytest.mark.parametrize(
    "metadata",
    [
        "",
        "{",
        "[]",
        "1",
        '{"info": []}',
        '{"info": {"features": {"label": {"names": [1, 2]}}}}',
        "[" * 9999,
    ],
)
def test_names_of_classes_that_make_no_sense_are_as_none(metadata: str, folder: Path) -> None:
    path = write_plain_parquet(drawn_faces(), folder)
    table = pyarrow.parquet.read_table(path).rename_columns(["Usage", "label", "png"])
    told = table.replace_schema_metadata({"huggingface": metadata})
    pyarrow.parquet.write_table(told, path)
    assert load_splits(path).classes == EMOTIONS


def test_text_in_parquet_that_is_no_text_is_one_clear_line(folder: Path) -> None:
    faces = drawn_faces()
    labels = pa.array([b"\xff" if f.label else b"ok" for f in faces])
    broken = pa.StringArray.from_buffers(len(labels), *labels.buffers()[1:])
    table = pa.table({"image": [f.png for f in faces], "label": broken})
    pyarrow.parquet.write_table(table, folder / "x.parquet")
    with pytest.raises(UserError, match=r"x.parquet is no whole parquet file \('utf-8'"):
        load_splits(folder)


def test_parquet_in_a_broken_zip_is_one_clear_line(folder: Path) -> None:
    path = write_plain_parquet(drawn_faces(), folder)
    with zipfile.ZipFile(folder / "fer.zip", "w") as archive:
        archive.write(path, "fer.parquet")
    path.unlink()
    data = bytearray((folder / "fer.zip").read_bytes())
    data[5000] ^= 1
    (folder / "fer.zip").write_bytes(data)
    with pytest.raises(UserError, match=r"fer.parquet is no whole parquet file \(Bad CRC-32"):
        load_splits(folder)


def test_a_parquet_that_claims_more_faces_than_there_are_is_not_read(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = write_plain_parquet(drawn_faces(), folder)
    monkeypatch.setattr(parquet, "_MOST_ROWS", 10)
    with pytest.raises(UserError, match="claims 70 faces"):
        load_splits(path)


@pytest.mark.parametrize("label", [[0.5], [b"happy"], [["happy"]], [None]])
def test_a_parquet_label_of_another_kind_is_no_label(label: list[object], folder: Path) -> None:
    table = pa.table({"image": [drawn_faces()[0].png], "label": label})
    pyarrow.parquet.write_table(table, folder / "x.parquet")
    with pytest.raises(UserError, match="with numbers or names of classes; found image, label"):
        load_splits(folder)


def test_a_parquet_label_without_a_class_is_named_by_its_row(folder: Path) -> None:
    faces = drawn_faces()
    table = pa.table({"image": [f.png for f in faces], "label": [9, *(f.label for f in faces[1:])]})
    pyarrow.parquet.write_table(table, folder / "x.parquet")
    with pytest.raises(UserError, match=r"x.parquet, row 1: column label: 9 is no class"):
        load_splits(folder)
