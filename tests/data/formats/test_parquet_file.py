import errno
import zipfile
from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet
import pytest

from fer_tune.common.errors import UserError
from fer_tune.data.faces import EMOTIONS
from fer_tune.data.formats import parquet_file
from fer_tune.data.formats.open_folder_or_zip import OpenableFile
from fer_tune.data.load import load_splits
from fer_tune.data.read_options import ReadOptions
from tests.data.held import Face, drawn_faces, write_plain_parquet


def test_parquet_labels_without_names_are_noted(folder: Path) -> None:
    splits = load_splits(write_plain_parquet(drawn_faces(), folder))
    assert any("FER2013's order" in note for note in splits.notes)


def test_broken_parquet_is_one_clear_line(folder: Path) -> None:
    path = write_plain_parquet(drawn_faces(), folder)
    path.write_bytes(path.read_bytes()[:-20])
    with pytest.raises(UserError, match="a broken parquet file"):
        load_splits(path)


def test_parquet_without_images_is_refused_with_its_columns(folder: Path) -> None:
    pyarrow.parquet.write_table(pa.table({"x": [1], "label": [2]}), folder / "x.parquet")
    with pytest.raises(UserError, match="found x, label"):
        load_splits(folder)


def test_columns_of_parquet_that_are_not_read_are_named(folder: Path) -> None:
    path = write_plain_parquet(drawn_faces(), folder)
    table = pyarrow.parquet.read_table(path)
    table = table.append_column("person", pa.array(["me"] * len(table)))
    pyarrow.parquet.write_table(table, path)
    assert "columns not read: person" in load_splits(path).notes


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
    described = table.replace_schema_metadata({"huggingface": metadata})
    pyarrow.parquet.write_table(described, path)
    assert load_splits(path).classes == EMOTIONS


def test_text_in_parquet_that_is_no_text_is_one_clear_line(folder: Path) -> None:
    faces = drawn_faces()
    labels = pa.array([b"\xff" if f.label else b"ok" for f in faces])
    broken = pa.StringArray.from_buffers(len(labels), *labels.buffers()[1:])
    table = pa.table({"image": [f.png for f in faces], "label": broken})
    pyarrow.parquet.write_table(table, folder / "x.parquet")
    with pytest.raises(UserError, match=r"x.parquet is a broken parquet file \('utf-8'"):
        load_splits(folder)


def test_parquet_in_a_broken_zip_is_one_clear_line(folder: Path) -> None:
    path = write_plain_parquet(drawn_faces(), folder)
    with zipfile.ZipFile(folder / "fer.zip", "w") as archive:
        archive.write(path, "fer.parquet")
    path.unlink()
    data = bytearray((folder / "fer.zip").read_bytes())
    data[5000] ^= 1
    (folder / "fer.zip").write_bytes(data)
    with pytest.raises(UserError, match=r"fer.parquet is a broken parquet file \(Bad CRC-32"):
        load_splits(folder)


def test_a_parquet_that_claims_more_faces_than_there_are_is_not_read(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = write_plain_parquet(drawn_faces(), folder)
    monkeypatch.setattr(parquet_file, "_MAX_ROWS", 10)
    with pytest.raises(UserError, match="claims 70 faces"):
        load_splits(path)


@pytest.mark.parametrize(
    ("label", "message"),
    [
        ([b"happy"], 'class name "b\'happy"'),
        ([None], r"no face has a label \(''\)"),
    ],
)
def test_a_parquet_label_of_another_kind_is_refused(
    label: list[object], message: str, folder: Path
) -> None:
    table = pa.table({"image": [drawn_faces()[0].png], "label": label})
    pyarrow.parquet.write_table(table, folder / "x.parquet")
    with pytest.raises(UserError, match=message):
        load_splits(folder)


def test_a_parquet_label_without_a_class_is_named_by_its_row(folder: Path) -> None:
    faces = drawn_faces()
    table = pa.table({"image": [f.png for f in faces], "label": [9, *(f.label for f in faces[1:])]})
    pyarrow.parquet.write_table(table, folder / "x.parquet")
    with pytest.raises(UserError, match=r"x.parquet, row 1: column label: '9' is not 0 to 6"):
        load_splits(folder)


def test_a_file_that_the_system_refuses_is_not_called_broken(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> None:
        raise PermissionError(errno.EACCES, "Permission denied", "faces.parquet")

    (tmp_path / "faces.parquet").write_bytes(b"PAR1")
    monkeypatch.setattr(OpenableFile, "read_head", refuse)
    with pytest.raises(UserError, match=r"^faces.parquet cannot be read: Permission denied$"):
        load_splits(tmp_path)


def write_table(folder: Path, labels: object) -> Path:
    faces = drawn_faces()
    table = {"image": [f.png for f in faces], "split": [f.usage for f in faces], "label": labels}
    pyarrow.parquet.write_table(pa.table(table), folder / "x.parquet")
    return folder / "x.parquet"


@pytest.mark.parametrize(
    "to_labels",
    [
        lambda own: pa.array(own, pa.float32()),
        lambda own: pa.array(own, pa.decimal128(5, 2)),
        lambda own: pa.array(map(str, own), pa.large_string()),
        lambda own: pa.array([EMOTIONS[label] for label in own]).dictionary_encode(),
    ],
)
def test_labels_of_any_type_are_numbers_or_words(
    to_labels: Callable[[list[int]], pa.Array], folder: Path, tmp_path: Path
) -> None:
    faces = drawn_faces()
    expected = load_splits(write_plain_parquet(faces, tmp_path)).content_hash()
    labels = to_labels([f.label for f in faces])
    assert load_splits(write_table(folder, labels)).content_hash() == expected


def test_numbers_without_names_that_are_not_fer2013s_need_labels(folder: Path) -> None:
    path = write_table(folder, [f.label + 1 for f in drawn_faces()])
    with pytest.raises(UserError, match=r"not FER2013's .*: 1 \(10\), .*, 7 \(10\)"):
        load_splits(path, ReadOptions(skip_bad=True))
    labels = ",".join(f"{number}={name}" for number, name in enumerate(EMOTIONS, start=1))
    assert load_splits(path, ReadOptions(labels=labels)).classes == EMOTIONS


@pytest.mark.parametrize(
    "to_columns",
    [
        lambda faces: {"pixels": [f.pixels for f in faces]},
        lambda faces: {"pixels": [f.image.ravel().tolist() for f in faces]},
        lambda faces: {f"p{n}": [int(f.image.flat[n]) for f in faces] for n in range(2304)},
    ],
)
def test_pixels_in_parquet_are_read(
    to_columns: Callable[[list[Face]], dict[str, object]], folder: Path, tmp_path: Path
) -> None:
    faces = drawn_faces()
    expected = load_splits(write_plain_parquet(faces, tmp_path)).content_hash()
    columns = {name: [getattr(f, name) for f in faces] for name in ("label", "usage")}
    pyarrow.parquet.write_table(pa.table(columns | to_columns(faces)), folder / "x.parquet")
    assert load_splits(folder).content_hash() == expected


def test_paths_in_the_place_of_images_are_refused_with_what_to_do(folder: Path) -> None:
    images = [{"bytes": None, "path": "1.png"}] * 20
    table = pa.table({"image": images, "label": [n % 7 for n in range(20)]})
    pyarrow.parquet.write_table(table, folder / "x.parquet")
    with pytest.raises(UserError, match=r"no image bytes.*; or save the faces as images"):
        load_splits(folder)


def test_words_beside_numbers_name_the_classes(folder: Path, tmp_path: Path) -> None:
    faces = drawn_faces()
    expected = load_splits(write_plain_parquet(faces, tmp_path)).content_hash()
    path = write_table(folder, [6 - f.label for f in faces])
    table = pyarrow.parquet.read_table(path).append_column("emotion", [[f.emotion for f in faces]])
    pyarrow.parquet.write_table(table, path)
    assert load_splits(path).content_hash() == expected
