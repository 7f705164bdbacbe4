import io
import stat
import struct
import zipfile
from pathlib import Path

import pytest

from fer_tune.common.errors import UserError
from fer_tune.data.formats import open_folder_or_zip
from fer_tune.data.formats.image_file import BrokenImageError
from fer_tune.data.load import load_splits
from tests.data.held import SPLIT_OF, Face, drawn_faces


def zip_of(path: Path, **members: bytes) -> Path:
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return path


def test_an_encrypted_zip_is_refused(tmp_path: Path) -> None:
    path = zip_of(tmp_path / "faces.zip", **{"train/sad/1.png": b"x"})
    data = bytearray(path.read_bytes())
    # Bit 0 of the general purpose flags, in the central directory's header.
    data[data.index(b"PK\x01\x02") + 8] |= 1
    path.write_bytes(data)
    with pytest.raises(UserError, match=r"is encrypted.* \(train/sad/1.png\); unpack it first"):
        load_splits(path)


def test_a_zip_that_claims_absurd_sizes_is_refused(tmp_path: Path) -> None:
    path = zip_of(tmp_path / "faces.zip", **{"train/sad/1.png": b"x"})
    data = bytearray(path.read_bytes())
    struct.pack_into("<I", data, data.index(b"PK\x01\x02") + 24, 0xFFFFFFF0)
    path.write_bytes(data)
    with pytest.raises(UserError, match=r"would unpack from \d+ to 4,294,967,280 bytes"):
        load_splits(path)


def test_a_zip_whose_member_is_damaged_names_the_image(tmp_path: Path) -> None:
    path = zip_of(tmp_path / "faces.zip", **{"train/sad/1.png": b"content"})
    path.write_bytes(path.read_bytes().replace(b"content", b"CONTENT"))
    with pytest.raises(UserError, match=r"^train/sad/1.png: cannot be read \(Bad CRC-32"):
        load_splits(path)


def test_a_cut_zip_is_one_clear_line(tmp_path: Path) -> None:
    path = zip_of(tmp_path / "faces.zip", **{"train/sad/1.png": b"x" * 1000})
    path.write_bytes(path.read_bytes()[:500])
    with pytest.raises(UserError, match="broken zip file"):
        load_splits(path)


def test_an_entry_of_a_zip_is_read_without_unpacking(tmp_path: Path) -> None:
    path = zip_of(tmp_path / "faces.zip", **{"sad/1.png": b"content"})
    with open_folder_or_zip.open_source(path) as source:
        assert [(str(e.path), e.read_bytes()) for e in source.files] == [("sad/1.png", b"content")]
    assert list(tmp_path.glob("sad*")) == []


@pytest.mark.parametrize("packing", [zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_a_member_that_cannot_be_unpacked_is_named(packing: int, tmp_path: Path) -> None:
    path, content = tmp_path / "faces.zip", bytes(range(256)) * 4
    with zipfile.ZipFile(path, "w", packing) as archive:
        archive.writestr("train/sad/1.png", content)
    data = bytearray(path.read_bytes())
    data[50:80] = b"\xff" * 30
    path.write_bytes(data)
    with pytest.raises(UserError, match=r"^train/sad/1.png: cannot be read"):
        load_splits(path)


def test_a_name_in_a_zip_that_is_no_text_is_one_clear_line(tmp_path: Path) -> None:
    path = zip_of(tmp_path / "faces.zip", **{"train/säd/1.png": b"x"})
    path.write_bytes(path.read_bytes().replace("ä".encode(), b"\xff\xff"))
    with pytest.raises(UserError, match=r"is a broken zip file \('utf-8' codec"):
        load_splits(path)


def test_a_member_without_a_name_is_passed_over(tmp_path: Path) -> None:
    path = zip_of(tmp_path / "faces.zip", **{"x": b""})
    path.write_bytes(path.read_bytes().replace(b"x", b"\0"))
    with pytest.raises(UserError, match="holds no faces"):
        load_splits(path)


def test_a_link_in_a_zip_is_a_broken_image_and_leads_nowhere(tmp_path: Path) -> None:
    secret = tmp_path / "secret.png"
    secret.write_bytes(b"secret")
    link = zipfile.ZipInfo("train/sad/1.png")
    link.external_attr = (stat.S_IFLNK | 0o777) << 16
    with zipfile.ZipFile(tmp_path / "faces.zip", "w") as archive:
        archive.writestr(link, str(secret))
    with pytest.raises(UserError, match=r"train/sad/1\.png: not an image"):
        load_splits(tmp_path / "faces.zip")


def test_a_file_larger_than_any_image_is_not_read_to_its_end(tmp_path: Path) -> None:
    folder = tmp_path / "faces" / "train" / "sad"
    folder.mkdir(parents=True)
    with (folder / "1.png").open("wb") as file:
        file.truncate(1 << 40)
    with (
        open_folder_or_zip.open_source(tmp_path / "faces") as source,
        pytest.raises(BrokenImageError, match="larger than any image"),
    ):
        source.files[0].read_bytes()


def test_a_zip_in_a_zip_is_an_error(tmp_path: Path) -> None:
    inner = io.BytesIO()
    with zipfile.ZipFile(inner, "w") as archive:
        archive.writestr("sad/1.png", b"x")
    path = zip_of(tmp_path / "faces.zip", **{"inner.zip": inner.getvalue()})
    with pytest.raises(UserError, match="unpack it first"):
        load_splits(path)


def zip_faces(path: Path, faces: list[Face], name: str) -> Path:
    """Write a zip of images, named by a pattern with {split}, {emotion} and {index}."""
    members = {
        name.format(split=SPLIT_OF[f.usage], emotion=f.emotion, index=index): f.png
        for index, f in enumerate(faces)
    }
    return zip_of(path, **members)


def with_backslashes(path: Path) -> Path:
    """Replace the slashes of all names, as programs for Windows write them."""
    names = zipfile.ZipFile(path).namelist()
    data = path.read_bytes()
    for name in names:
        data = data.replace(name.encode(), name.replace("/", "\\").encode())
    path.write_bytes(data)
    return path


def test_backslashes_in_a_zip_separate_folders(tmp_path: Path) -> None:
    path = zip_faces(tmp_path / "faces.zip", drawn_faces(), "{split}/{emotion}/{index}.png")
    expected = load_splits(path).content_hash()
    assert load_splits(with_backslashes(path)).content_hash() == expected


@pytest.mark.parametrize("method", [9, 93, 99])
def test_a_zip_of_an_unknown_packing_is_to_be_unpacked(method: int, tmp_path: Path) -> None:
    path = zip_of(tmp_path / "faces.zip", **{"train/sad/1.png": b"x"})
    data = bytearray(path.read_bytes())
    struct.pack_into("<H", data, data.index(b"PK\x01\x02") + 10, method)
    path.write_bytes(data)
    with pytest.raises(UserError, match=r"deflate64 \(train/sad/1.png\); unpack it first") as error:
        load_splits(path)
    assert "skip-bad" not in str(error.value)


@pytest.mark.parametrize("name", ["{emotion}/{index}.png", "{split}/{emotion}/{index}.png"])
def test_zips_of_splits_in_a_folder_are_one_data_set(
    name: str, tmp_path: Path, folder: Path
) -> None:
    faces = drawn_faces()
    whole = zip_faces(tmp_path / "all.zip", faces, "{split}/{emotion}/{index}.png")
    for usage, split in SPLIT_OF.items():
        zip_faces(folder / f"{split}.zip", [f for f in faces if f.usage == usage], name)
    assert load_splits(folder).content_hash() == load_splits(whole).content_hash()


def test_zipped_tables_of_splits_are_one_data_set(folder: Path) -> None:
    faces = drawn_faces()
    for split, usage in (("train", "Training"), ("test", "PrivateTest")):
        rows = "".join(f"{f.label},{f.pixels}\n" for f in faces if f.usage == usage)
        zip_of(folder / f"{split}.csv.zip", **{"data.csv": b"emotion,pixels\n" + rows.encode()})
    splits = load_splits(folder)
    assert len(splits.test) == sum(f.usage == "PrivateTest" for f in faces)


@pytest.mark.parametrize(
    "members",
    [("a/fer.csv", "b/raf.csv"), ("fer.csv", "sad/1.png"), ("x/sad/1.png", "y/sad/2.png")],
)
def test_of_several_data_sets_in_a_zip_none_can_be_named_before_it_is_unpacked(
    members: tuple[str, ...], tmp_path: Path
) -> None:
    content = f"emotion,pixels\n3,{drawn_faces()[0].pixels}\n".encode()
    path = zip_of(tmp_path / "faces.zip", **dict.fromkeys(members, content))
    with pytest.raises(UserError, match=r"name one of them \(unpack a zip first\)"):
        load_splits(path)
