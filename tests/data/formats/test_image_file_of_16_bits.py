import io
import struct
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pyarrow as pa
import pyarrow.parquet
import pytest
from numpy.typing import NDArray
from PIL import Image

from fer_tune.common.errors import UserError
from fer_tune.data.faces import Splits
from fer_tune.data.formats.image_file import BrokenImageError, decode_face
from fer_tune.data.load import load_splits
from tests.data.held import SPLIT_OF, Face, drawn_faces, place, write_csv

Values = NDArray[np.integer[Any]]


def pack_png(image: Values) -> bytes:
    packed = io.BytesIO()
    Image.fromarray(image).save(packed, "PNG")
    return packed.getvalue()


def pack_tiff(image: Values) -> bytes:
    packed = io.BytesIO()
    Image.fromarray(image).save(packed, "TIFF")
    return packed.getvalue()


def pack_wide_tiff(image: Values) -> bytes:
    packed = io.BytesIO()
    Image.fromarray(image.astype(np.int32)).save(packed, "TIFF")
    return packed.getvalue()


def pack_pgm(image: Values) -> bytes:
    return b"P5 48 48 65535\n" + image.astype(">u2").tobytes()


def pack_colour(image: Values, suffix: str = ".png") -> bytes:
    return cv2.imencode(suffix, np.dstack([image] * 3))[1].tobytes()


def pack_colour_tiff(image: Values) -> bytes:
    return pack_colour(image, ".tif")


def pack_colour_ppm(image: Values) -> bytes:
    return pack_colour(image, ".ppm")


def pack_opaque(image: Values) -> bytes:
    opaque = np.full_like(image, 65535)
    return cv2.imencode(".png", np.dstack([image] * 3 + [opaque]))[1].tobytes()


PACKERS = (
    *(pack_png, pack_tiff, pack_wide_tiff, pack_pgm),
    *(pack_colour, pack_colour_tiff, pack_colour_ppm, pack_opaque),
)


def write_folders(
    folder: Path, faces: list[Face], shift: int, pack: Callable[[Values], bytes] = pack_png
) -> Path:
    for number, face in enumerate(faces):
        file = folder / SPLIT_OF[face.usage] / face.emotion / f"{number}.png"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(pack(face.image.astype(np.uint16) << shift))
    return folder


@pytest.fixture
def expected(tmp_path: Path) -> str:
    return load_splits(write_csv(drawn_faces(), tmp_path)).content_hash()


def find_note(splits: Splits) -> str:
    (note,) = (note for note in splits.notes if note.startswith("16-bit"))
    return note


@pytest.mark.parametrize(("bits", "largest"), [(8, 255), (10, 1020), (12, 4080), (16, 65280)])
def test_the_largest_value_of_a_data_set_shows_its_depth(
    bits: int, largest: int, folder: Path, expected: str
) -> None:
    splits = load_splits(write_folders(folder, drawn_faces(), bits - 8))
    assert splits.content_hash() == expected
    note = f"16-bit images, reduced from {bits} bits to 8: 70 (their largest value is {largest:,})"
    assert find_note(splits) == note


@pytest.mark.parametrize("pack", PACKERS)
@pytest.mark.parametrize("bits", [12, 16])
def test_every_kind_of_deep_image_is_scaled_alike(
    pack: Callable[[Values], bytes], bits: int, folder: Path, expected: str
) -> None:
    splits = load_splits(write_folders(folder, drawn_faces(), bits - 8, pack))
    assert splits.content_hash() == expected
    assert f"reduced from {bits} bits to 8: 70" in find_note(splits)


def test_no_image_is_scaled_by_itself(folder: Path) -> None:
    faces = [Face(f.label, f.usage, f.image // (20 if f.label else 1)) for f in drawn_faces()]
    whole = load_splits(write_folders(folder / "deep", faces, 4))
    plain = load_splits(write_folders(folder / "plain", faces, 0))
    assert whole.content_hash() == plain.content_hash()
    assert "from 12 bits" in find_note(whole)
    assert "from 8 bits" in find_note(plain)


def test_deep_images_beside_others_leave_those_as_they_are(folder: Path, expected: str) -> None:
    faces = drawn_faces()
    write_folders(folder, faces[::2], 2)
    for number, face in enumerate(faces[1::2]):
        place(face, folder / SPLIT_OF[face.usage] / face.emotion / f"plain {number}.png")
    splits = load_splits(folder)
    assert splits.content_hash() == expected
    assert "from 10 bits to 8: 35" in find_note(splits)


def test_a_cached_data_set_keeps_the_note_on_its_depth(folder: Path) -> None:
    write_folders(folder, drawn_faces(), 4)
    assert find_note(load_splits(folder)) == find_note(load_splits(folder))


def test_parquet_follows_the_same_rule(folder: Path, expected: str) -> None:
    faces = drawn_faces()
    columns = {
        "split": [f.usage for f in faces],
        "label": [f.label for f in faces],
        "image": [pack_png(f.image.astype(np.uint16) << 4) for f in faces],
    }
    pyarrow.parquet.write_table(pa.table(columns), folder / "faces.parquet")
    splits = load_splits(folder)
    assert splits.content_hash() == expected
    assert "from 12 bits" in find_note(splits)


@pytest.mark.parametrize("largest", [1023, 4095, 65535, 200])
def test_a_pgm_file_declares_its_largest_value(largest: int, folder: Path) -> None:
    faces = [Face(f.label, f.usage, f.image // 2) for f in drawn_faces()]

    def pack(image: Values) -> bytes:
        values = (image.astype(np.float64) / 255 * largest).round()
        return (
            f"P5 48 48 {largest}\n".encode()
            + values.astype(">u2" if largest > 255 else "u1").tobytes()
        )

    splits = load_splits(write_folders(folder / "deep", faces, 0, pack))
    plain = load_splits(write_folders(folder / "plain", faces, 0))
    difference = abs(splits.test.images.mean() - plain.test.images.mean())
    assert difference < 1


@pytest.mark.parametrize("value", [-1, 70_000])
def test_values_outside_16_bits_are_refused(value: int) -> None:
    packed = io.BytesIO()
    Image.fromarray(np.full((48, 48), value, np.int32)).save(packed, "TIFF")
    with pytest.raises(BrokenImageError, match=f"{value:,} do not fit into 16 bits; save"):
        decode_face(packed.getvalue())


def test_fractions_are_refused(folder: Path) -> None:
    pfm = b"Pf\n48 48\n-1.0\n" + np.full((48, 48), 0.5, "<f4").tobytes()
    (folder / "sad").mkdir()
    (folder / "sad" / "1.pfm").write_bytes(pfm)
    with pytest.raises(UserError, match=r"sad/1.pfm: pixels are fractions; save the image with 8"):
        load_splits(folder)


def test_a_deep_colour_image_is_set_upright() -> None:
    image = np.zeros((48, 48), np.uint16)
    image[:24] = 4000
    data = pack_colour(image)
    exif = Image.Exif()
    exif[0x0112] = 3  # upside down
    body = b"eXIf" + exif.tobytes()[6:]
    chunk = struct.pack(">I", len(body) - 4) + body + struct.pack(">I", zlib.crc32(body))
    pixels, _ = decode_face(data[:33] + chunk + data[33:])
    assert not isinstance(pixels, np.ndarray)
    assert pixels.largest == 4000
    assert pixels.by_depth[12][[0, -1], 0].tolist() == [0, 250]


def test_large_deep_images_are_resized_after_they_are_reduced(folder: Path) -> None:
    for number, face in enumerate(drawn_faces()):
        large = Image.fromarray(face.image).resize((96, 80))
        file = folder / SPLIT_OF[face.usage] / face.emotion / f"{number}.png"
        file.parent.mkdir(parents=True, exist_ok=True)
        large.save(file)
    plain = load_splits(folder).content_hash()
    for file in folder.rglob("*.png"):
        with Image.open(file) as image:
            deep = np.asarray(image).astype(np.uint16) << 4
        Image.fromarray(deep).save(file)
    assert load_splits(folder).content_hash() == plain
