"""Zips and parquet tables, damaged or generated at random; see `damage`."""

import io
import warnings
import zipfile
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.faults.fuzz.damage import DAMAGE, damaged, fuzzed
from tests.faults.fuzz.faces import IMAGES, faces_are_read_or_refused, fresh

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]

FOLDER = [f"{s}/{c}" for s in ("train", "val", "test") for c in ("happy", "sad", "[red]x", "a\nb")]
MEMBERS = st.one_of(
    st.builds("{}/{}.png".format, st.sampled_from(FOLDER), st.integers(0, 3)),
    st.builds("{}.png".format, st.text(max_size=12)),
    st.sampled_from(
        [
            *(
                "../x.png",
                "/etc/x.png",
                "a/../../x.png",
                "C:\\x.png",
                "\\\\host\\x.png",
                "a\0b.png",
            ),
            *("fer2013.csv", "x.zip", "x.parquet", "train/x.png", "x" * 300 + ".png", "train/sad/"),
            *("a/" * 400 + "x.png", "train/\x1b[2J/x.png", "train/s\u0308ad/1.png", ".png", "ran"),
        ]
    ),
)


@st.composite
def zips(draw: st.DrawFn) -> bytes:
    packed = io.BytesIO()
    is_readable = draw(st.booleans())
    with warnings.catch_warnings(), zipfile.ZipFile(packed, "w") as archive:
        warnings.simplefilter("ignore")  # of duplicate names
        for name in FOLDER[::4] + FOLDER[1::4] if is_readable else []:
            archive.writestr(f"{name}/0.png", IMAGES["L"])
        for name in draw(st.lists(MEMBERS, max_size=4)):
            info = zipfile.ZipInfo(name)
            info.compress_type = draw(st.sampled_from([0, 0, 8, 12, 14]))
            info.external_attr = draw(st.sampled_from([0, 0, 0o120777 << 16]))
            content = draw(st.sampled_from([*IMAGES.values(), b"", b"emotion,pixels", b"PK\3\4"]))
            archive.writestr(info, content)
    return damaged(packed.getvalue(), draw(st.lists(DAMAGE, max_size=3)))


@fuzzed(2000)
@given(zips(), st.booleans(), st.booleans())
def test_a_zip_of_any_content(place: Path, content: bytes, inside: bool, skip_bad: bool) -> None:
    folder = fresh(place / "zip")
    (folder / "faces.zip").write_bytes(content)
    faces_are_read_or_refused(folder if inside else folder / "faces.zip", skip_bad)
    assert [path.name for path in folder.iterdir()] == ["faces.zip"]


def every_table() -> list[bytes]:
    png, splits = [IMAGES["L"]] * 12, ["train", "validation", "test"] * 4
    two, text = [n // 3 % 2 for n in range(12)], [("happy", "sad")[n // 3 % 2] for n in range(12)]
    tables = (
        {"image": png, "label": two, "split": splits},
        {"image": [{"bytes": each, "path": None} for each in png], "label": text, "split": splits},
        {"image": png, "label": pa.array(text).dictionary_encode(), "split": splits},
        {"image": png, "emotion": pa.array(two, pa.uint64())},
        {"image": [None, *png[1:]], "label": [None, *two[1:]], "split": splits},
    )
    hub = {"huggingface": '{"info": {"features": {"label": {"names": ["happy", "sad"]}}}}'}
    packed = []
    for columns in tables:
        for compression in ("none", "snappy"):
            file = io.BytesIO()
            table = pa.table(columns).replace_schema_metadata(hub)
            pyarrow.parquet.write_table(table, file, compression=compression, row_group_size=5)
            packed.append(file.getvalue())
    return packed


TABLES = every_table()


@fuzzed(1000)
@given(st.sampled_from(TABLES), st.lists(DAMAGE, max_size=3), st.booleans())
def test_a_parquet_table_of_any_content(
    place: Path, content: bytes, damage: list[tuple[str, int, bytes]], skip_bad: bool
) -> None:
    path = fresh(place / "parquet") / "faces.parquet"
    path.write_bytes(damaged(content, damage))
    faces_are_read_or_refused(path, skip_bad)
