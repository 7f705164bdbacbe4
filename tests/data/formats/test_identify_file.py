import gzip
import pickle
import zipfile
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from fer_tune.common.errors import UserError
from fer_tune.data.formats.identify_file import check_content, detect_content
from fer_tune.data.load import load_splits
from tests.data.formats.test_open_folder_or_zip import zip_of
from tests.data.held import drawn_faces, place, write_csv

LFS = b"version https://git-lfs.github.com/spec/v1\noid sha256:4d\nsize 301072766\n"
PAGE = b"\n\n<!DOCTYPE html>\n<html><title>Sign in</title></html>"


@pytest.mark.parametrize(
    ("head", "kind"),
    [
        (b"\x1f\x8b\x08\x00", "a gzip archive; unpack it first"),
        (bytes(257) + b"ustar\x0000", "a tar archive; unpack it first"),
        (b"7z\xbc\xaf\x27\x1c\x00\x04", "a 7z archive; unpack it first"),
        (b"\x89HDF\r\n\x1a\n\0\0", "an HDF5 file; convert it"),
        (pickle.dumps({"labels": [1]}), "a Python pickle; convert it"),
        (b"%PDF-1.7", "a PDF document; convert it"),
        (b"SQLite format 3\0", "an SQLite database; convert it"),
        (b"ARROW1\0\0", "an Arrow or Feather file; convert it"),
        (LFS, "a Git LFS pointer, not the file itself; run 'git lfs pull'"),
        (PAGE, "a page of HTML or XML; download the file itself again"),
        (b"\xef\xbb\xbf<?xml version='1.0'?><Error/>", "a page of HTML or XML; download"),
        (b'[\n {"emotion": 3}]', "a JSON file; convert it"),
        (b"\x7fELF\x02\x01\x01" + bytes(99), "a binary file of an unknown kind; convert it"),
        (bytes(512), "empty: it holds zero bytes only; download"),
        ("emotion,pixels".encode("utf-32"), "text in UTF-32; save it as UTF-8"),
    ],
)
def test_a_file_of_another_kind_is_named_with_what_to_do(head: bytes, kind: str) -> None:
    with pytest.raises(UserError, match=f"^fer2013.csv is {kind}"):
        check_content(head, "fer2013.csv")


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be"])
@pytest.mark.parametrize("text", ["emotion,pixels\n0,1 2", '"[70, 80]",3\n'])
def test_text_is_no_other_kind(text: str, encoding: str) -> None:
    check_content(text.encode(encoding), "fer2013.csv")


def test_zips_that_programs_write_are_no_data_sets(tmp_path: Path) -> None:
    np.savez(tmp_path / "faces.npz", x=np.zeros(3))
    zip_of(tmp_path / "faces.xlsx", **{"[Content_Types].xml": b"", "xl/workbook.xml": b""})
    zip_of(tmp_path / "faces.pt", **{"faces/data.pkl": b"", "faces/version": b"3"})
    for suffix, kind in (("npz", "a NumPy archive"), ("xlsx", "an Excel"), ("pt", "a PyTorch")):
        with pytest.raises(UserError, match=rf"^faces.{suffix} is {kind}.*; convert it"):
            load_splits(tmp_path / f"faces.{suffix}")
    write_csv(drawn_faces(), tmp_path)
    with zipfile.ZipFile(tmp_path / "faces.zip", "w") as archive:
        archive.write(tmp_path / "fer2013.csv", "fer2013.csv")
        archive.writestr("labels.npy", b"")
    assert len(load_splits(tmp_path / "faces.zip").classes) == 7  # its arrays are beside faces


def test_every_suffix_is_looked_behind(tmp_path: Path) -> None:
    for name in ("train.csv", "train.zip", "train.parquet"):
        (tmp_path / name).write_bytes(LFS)
        with pytest.raises(UserError, match=f"^{name} is a Git LFS pointer"):
            load_splits(tmp_path / name)


def test_a_pointer_beside_a_table_is_not_passed_over(folder: Path) -> None:
    write_csv(drawn_faces(), folder).rename(folder / "train.csv")
    (folder / "test.csv").write_bytes(LFS)
    with pytest.raises(UserError, match=r"test.csv is a Git LFS pointer"):
        load_splits(folder)


def test_a_folder_of_archives_alone_is_to_be_unpacked(folder: Path) -> None:
    (folder / "fer2013.tar.gz").write_bytes(gzip.compress(b"x"))
    match = r"no faces \(files skipped: 1 .gz \(first: fer2013.tar.gz\)\).*; unpack other archives"
    with pytest.raises(UserError, match=match):
        load_splits(folder)


def test_images_that_are_all_pointers_are_one_line_that_skips_nothing(folder: Path) -> None:
    for index, face in enumerate(drawn_faces()):
        place(face, path := folder / "train" / face.emotion / f"{index}.jpg")
        path.write_bytes(LFS)
    with pytest.raises(UserError, match=r"all 70 are bad .* a Git LFS pointer") as error:
        load_splits(folder)
    assert "skip-bad" not in str(error.value)


def test_an_image_called_csv_is_named(tmp_path: Path) -> None:
    Image.new("L", (48, 48)).save(tmp_path / "face.png")
    head = (tmp_path / "face.png").read_bytes()
    assert str(detect_content(head)).startswith("an image;")
