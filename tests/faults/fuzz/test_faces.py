"""CSVs and images, damaged or generated at random; see `damage`."""

import struct
import zlib
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from tests.faults.fuzz.damage import DAMAGE, damaged, fuzzed
from tests.faults.fuzz.faces import IMAGES, faces_are_read_or_refused, fresh

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]

PIXELS = [" ".join([str(n)] * 2304) for n in range(12)]
USAGES = ("Training", "PublicTest", "PrivateTest")
CELLS = st.one_of(
    st.sampled_from(
        ["", "7", "-1", "3.0", "happy", "Training", "Test", PIXELS[0][:-2], PIXELS[0] + " 1"]
        + [PIXELS[0].replace("0", new, 1) for new in ("256", "-1", "x", "9" * 30, "1.5", "0,0")]
    ),
    st.text(max_size=8),
)


@st.composite
def csvs(draw: st.DrawFn) -> bytes:
    names = draw(st.permutations(["emotion", "pixels", "Usage"]))
    names += draw(st.lists(st.sampled_from(["", "emotion", " Usage", "path"]), max_size=1))
    names = names[draw(st.integers(0, 1)) * draw(st.integers(0, 1)) :]
    faces = [
        {"emotion": str(n % 2), "pixels": PIXELS[n], "Usage": USAGES[n % 3]}
        for n in range(draw(st.sampled_from([12, 12, 12, 2, 1, 0])))
    ]
    rows = [names] + [[face.get(name, "") for name in names] for face in faces]
    for row, column, cell in draw(
        st.lists(st.tuples(st.integers(0, 12), st.integers(0, 3), CELLS), max_size=2)
    ):
        rows[row % len(rows)][column % len(names)] = cell
    quote, comma = (
        draw(st.sampled_from(["", "", '"'])),
        draw(st.sampled_from([",", ",", ", ", ";"])),
    )
    end = draw(st.sampled_from(["\n", "\n", "\r\n", "\r", "\n\n"]))
    text = end.join(comma.join(f"{quote}{cell}{quote}" for cell in row) for row in rows)
    encoding = draw(st.sampled_from(["utf-8", "utf-8", "utf-8", "utf-8-sig", "utf-16", "latin-1"]))
    return damaged(text.encode(encoding, "replace"), draw(st.lists(DAMAGE, max_size=2)))


@fuzzed(4000)
@given(csvs(), st.booleans())
def test_a_csv_of_any_content(place: Path, content: bytes, skip_bad: bool) -> None:
    path = fresh(place / "csv") / "fer2013.csv"
    path.write_bytes(content)
    faces_are_read_or_refused(path, skip_bad)


def with_sums(png: bytes) -> bytes:
    """Return the image with correct checksums, so that damage passes them."""
    data, at = bytearray(png), 8
    while at + 12 <= len(data):
        end = at + 8 + int.from_bytes(data[at : at + 4], "big")
        if end + 4 > len(data):
            break
        struct.pack_into(">I", data, end, zlib.crc32(data[at + 4 : end]))
        at = end + 4
    return bytes(data)


@st.composite
def images(draw: st.DrawFn) -> bytes:
    if draw(st.integers(0, 9)) == 0:
        return draw(st.binary(max_size=64))
    image = draw(st.sampled_from(list(IMAGES.values())))
    data = damaged(image, draw(st.lists(DAMAGE, max_size=3)))
    return with_sums(data) if image.startswith(b"\x89PNG") and draw(st.booleans()) else data


@pytest.fixture(scope="module")
def folders(place: Path) -> Path:
    """Intact images, by split and class."""
    for split in ("train", "val", "test"):
        for number, name in enumerate(("happy", "sad")):
            (place / "faces" / split / name).mkdir(parents=True)
            face = Image.new("L", (48, 48), number)
            face.save(place / "faces" / split / name / "1.png")
    return place / "faces"


@fuzzed(2000)
@given(images(), st.sampled_from(["png", "jpg", "tif", "PGM"]), st.booleans())
def test_an_image_of_any_content(
    folders: Path, content: bytes, suffix: str, skip_bad: bool
) -> None:
    path = folders / "train" / "sad" / f"any.{suffix}"
    path.write_bytes(content)
    try:
        faces_are_read_or_refused(folders, skip_bad)
    finally:
        path.unlink()
