import csv
import re
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from fer_tune.common.errors import UserError
from fer_tune.data.faces import EMOTIONS
from fer_tune.data.formats.pixel_text import parse_pixels
from fer_tune.data.load import load_splits
from fer_tune.data.read_options import ReadOptions

HEADER = "emotion,pixels,Usage"
NO_PIXEL = st.one_of(
    st.integers(max_value=-1).map(str),
    st.integers(min_value=256).map(str),
    st.text("xX.eE,;", min_size=1, max_size=3),
    st.floats(allow_nan=True).filter(lambda x: x not in range(256)).map(str),
)


def row(label: object = 3, usage: str = "Training", seed: int = 0) -> str:
    pixels = np.random.default_rng(seed).integers(0, 256, 2304)
    return f"{label},{' '.join(map(str, pixels))},{usage}"


def good_rows() -> list[str]:
    usages = ("Training", "PublicTest", "PrivateTest")
    return [row(n % 2, usages[n % 3], seed=n) for n in range(12)]


def write(folder: Path, *rows: str, header: str = HEADER) -> Path:
    path = folder / "fer2013.csv"
    path.write_text("\n".join([header, *rows, ""]))
    return path


@settings(max_examples=20)  # 2,304 pixels each take their time
@given(arrays(np.uint8, (48, 48)))
def test_pixels_are_read_back_as_they_were_written(pixels: np.ndarray) -> None:
    np.testing.assert_array_equal(parse_pixels(" ".join(map(str, pixels.flat))), pixels)


@given(st.integers(0, 5000).filter(lambda n: n != 2304))
def test_any_other_number_of_pixels_is_refused(number: int) -> None:
    with pytest.raises(ValueError, match=f"^{number:,} pixels? instead of 2,304"):
        parse_pixels(" ".join(["7"] * number))


@given(st.integers(0, 2303), NO_PIXEL)
def test_a_single_wrong_number_is_found_by_its_place(place: int, token: str) -> None:
    tokens = ["7"] * 2304
    tokens[place] = token
    with pytest.raises(ValueError, match=f"^number {place + 1} is "):
        parse_pixels(" ".join(tokens))


@given(st.text(max_size=200))
def test_text_of_any_kind_is_refused_in_words(text: str) -> None:
    with pytest.raises(ValueError, match=r"pixels? instead of 2,304|number \d+ is "):
        parse_pixels(text)


@pytest.mark.parametrize(
    ("bad", "message"),
    [
        (row(7), "column emotion: '7' is not 0 to 6"),
        (row("happy"), "column emotion: 'happy'"),
        (row(usage="Testing1"), "column Usage: 'Testing1'"),
        (row().replace(" ", "", 1), "column pixels: "),
        (row().replace(" ", " 256 ", 1), "column pixels: number 2 is '256', outside 0 to 255"),
        (row().replace(" ", " -1 ", 1), "column pixels: number 2 is '-1', outside 0 to 255"),
        (row().replace(" ", " x ", 1), "column pixels: number 2 is 'x', not a whole number"),
        ("3,1 2 3", "columns: 2, but the header has 3"),
        (f"3,{' '.join(['7'] * 2303)},Training", "column pixels: 2,303 pixels instead of 2,304"),
        (
            f"3,{' '.join(['255'] * 40_000)},Training",
            "column pixels: 40,000 pixels instead of 2,304",
        ),
    ],
)
def test_a_bad_row_is_named_by_number_and_column(bad: str, message: str, tmp_path: Path) -> None:
    path = write(tmp_path, *good_rows(), bad)
    with pytest.raises(UserError, match=re.escape(f"fer2013.csv, row 14: {message}")) as caught:
        load_splits(path)
    assert len(str(caught.value).splitlines()) == 1
    assert not (tmp_path / "cache").exists()


def test_skipping_bad_rows_leaves_the_same_faces_and_says_how_many(tmp_path: Path) -> None:
    expected = load_splits(write(tmp_path, *good_rows()))
    splits = load_splits(
        write(tmp_path, row(7), *good_rows(), row("x")), ReadOptions(skip_bad=True)
    )
    assert splits.content_hash() == expected.content_hash()
    assert any(note.startswith("bad faces left out: 2 ") for note in splits.notes)


def test_of_many_bad_rows_the_first_ten_are_listed_with_the_count(tmp_path: Path) -> None:
    path = write(tmp_path, *good_rows(), *["3,1 2,Training"] * 25)
    with pytest.raises(UserError, match="25 bad faces") as caught:
        load_splits(path)
    lines = str(caught.value).splitlines()
    assert len(lines) == 11
    assert "row 14:" in lines[1]
    assert "row 23:" in lines[10]


def test_a_truncated_last_row_is_named_by_its_number(tmp_path: Path) -> None:
    path = write(tmp_path, *good_rows())
    path.write_bytes(path.read_bytes()[:-3000])
    with pytest.raises(UserError, match="row 13: columns: 2, but the header has 3"):
        load_splits(path)


@pytest.mark.parametrize(
    ("header", "message"),
    [("pixels", "no column emotion"), ("a,b", r"row 1: no columns emotion and pixels; found 'a'")],
)
def test_a_missing_column_is_named(header: str, message: str, tmp_path: Path) -> None:
    with pytest.raises(UserError, match=message):
        load_splits(write(tmp_path, header=header))


@pytest.mark.parametrize(
    ("rest", "message"),
    [
        ("1 " * 100_000, "fer2013.csv, row 2: a quotation mark is not closed"),
        ('1 1",Training\n3,"2 2",Training\n4,"3 3', "row 4: a quotation mark is not closed"),
        ("1 1 1\n" * 200_000, "fer2013.csv, row 2: not a CSV of faces; is a quotation mark not"),
    ],
)
def test_an_endless_quote_is_one_clear_line(rest: str, message: str, tmp_path: Path) -> None:
    limit = csv.field_size_limit()
    with pytest.raises(UserError, match=message) as caught:
        load_splits(write(tmp_path, '3,"' + rest))
    assert len(str(caught.value).splitlines()) == 1
    assert csv.field_size_limit() == limit


def test_an_endless_line_is_one_clear_line(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"line 2: .*the line is far too long"):
        load_splits(write(tmp_path, "1," * 1_000_000))
    with pytest.raises(UserError, match=r"line 1: .*the line is far too long"):
        load_splits(write(tmp_path, header="1," * 1_000_000))


def test_one_class_only_is_an_error(tmp_path: Path) -> None:
    path = write(tmp_path, *[row(3, seed=n) for n in range(10)])
    with pytest.raises(UserError, match=r"one class only \(happy\)"):
        load_splits(path)


PLAIN = "\n".join([HEADER, *good_rows(), ""])
COLUMNS = ",".join(f"px{number}" for number in range(2304))


@pytest.mark.parametrize(
    "content",
    [
        PLAIN.replace(",", ";"),
        PLAIN.replace(",", "\t"),
        PLAIN.replace(",", " | "),
        PLAIN.encode("utf-16"),
        PLAIN.encode("utf-16-le"),
        PLAIN.encode("utf-16-be"),
        PLAIN.replace(HEADER, " Expression ,PIXELS, subset "),
        PLAIN.replace(HEADER, "Target,Pixel,Set,"),
        PLAIN.removeprefix(f"{HEADER}\n"),
        "\n \n" + PLAIN + "   \n,,\n" + "\0" * 20,
        PLAIN.replace("ing\n", "ing,\n").replace("Test\n", "Test,,\n"),
        PLAIN.replace("\n0,", "\n0.0,").replace("\n1,", '\n" 1. ",'),
        PLAIN.replace("\n0,", "\nAnger,").replace("\n1,", "\ndisgusted,"),
        PLAIN.replace(" ", ","),
        PLAIN.replace(" ", ".0 "),
        PLAIN.replace(" ", ",").replace(HEADER, f"emotion,{COLUMNS},Usage"),
        re.sub(r"(\d+( \d+)+)", lambda row: f'"[[{row[0].replace(" ", ", ")}]]"', PLAIN),
    ],
)
def test_other_forms_give_the_same_faces(content: str | bytes, tmp_path: Path) -> None:
    expected = load_splits(write(tmp_path, *good_rows())).content_hash()
    path = tmp_path / "other.csv"
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    assert load_splits(path).content_hash() == expected


def test_columns_of_pixels_are_read_in_the_order_of_their_numbers(tmp_path: Path) -> None:
    expected = load_splits(write(tmp_path, *good_rows())).content_hash()
    order = sorted(range(2304), key=str)  # 0, 1, 10, 100, ...
    lines = [f"emotion,Usage,{','.join(f'pixel{n}' for n in order)}"]
    for line in good_rows():
        label, pixels, usage = line.split(",")
        values = pixels.split()
        lines.append(f"{label},{usage},{','.join(values[n] for n in order)}")
    (tmp_path / "columns.csv").write_text("\n".join(lines))
    assert load_splits(tmp_path / "columns.csv").content_hash() == expected


def test_a_file_without_a_header_is_noted(tmp_path: Path) -> None:
    (tmp_path / "faces.csv").write_text("\n".join(good_rows()))
    note = "faces.csv has no header; its columns were read as emotion, pixels, Usage"
    assert note in load_splits(tmp_path / "faces.csv").notes


@pytest.mark.parametrize(
    ("pixels", "problem"),
    [
        (" ".join(["0.25"] * 2304), "'0.25', not a whole number; multiply the pixels by 255"),
        ("[70 80 82 ... 106 109 82]", "'...': the program that wrote the file left pixels out"),
        (" ".join(["9"] * 4096), "4,096 pixels instead of 2,304 (48 x 48), as of 64 x 64"),
        (" ".join(["-1.5"] * 2304), "'-1.5', not a whole number"),
        ("faces/1.png", "'faces/1.png', not a whole number"),
        ("", "0 pixels instead of 2,304"),
    ],
)
def test_rows_that_are_all_bad_are_one_line_with_what_is_wanted(
    pixels: str, problem: str, tmp_path: Path
) -> None:
    rows = [f"{n % 7},{pixels},Training" for n in range(20)]
    with pytest.raises(UserError, match="all 20 are bad") as error:
        load_splits(write(tmp_path, *rows))
    message = str(error.value)
    assert problem in message
    assert "2,304 whole numbers from 0 to 255" in message
    assert "skip-bad" not in message
    assert "\n" not in message


def test_a_split_of_an_unknown_name_is_never_skipped(tmp_path: Path) -> None:
    rows = [line.replace("PublicTest", "part B") for line in good_rows()]
    with pytest.raises(UserError, match=r"4 rows are in 'part B', .*; rename it \(known names"):
        load_splits(write(tmp_path, *rows), ReadOptions(skip_bad=True))


@pytest.mark.parametrize("usage", ["", "Trainin"])
def test_a_row_without_a_known_split_is_bad(usage: str, tmp_path: Path) -> None:
    expected = load_splits(write(tmp_path, *good_rows())).content_hash()
    path = write(tmp_path, *good_rows(), row(3, usage), *[row(3, "")] * 2)
    with pytest.raises(UserError, match=r"3 bad faces \(--skip-bad leaves them out\)"):
        load_splits(path)
    splits = load_splits(path, ReadOptions(skip_bad=True))
    assert splits.content_hash() == expected
    assert splits.notes[-1].endswith(f": column Usage: '{usage}' is not the name of a split)")


def test_a_label_that_is_not_utf_8_is_refused_with_what_to_do(tmp_path: Path) -> None:
    labels = ("joie", "col\xe8re")
    rows = [row(labels[n % 2], "Training", seed=n) for n in range(12)]
    path = write(tmp_path, *rows)
    path.write_bytes(path.read_text().encode("latin-1"))
    with pytest.raises(UserError, match="is not UTF-8; save the file as UTF-8"):
        load_splits(path)


def test_labels_of_another_coding_are_never_skipped(tmp_path: Path) -> None:
    rows = [
        row(1 + n % 7, ("Training", "PublicTest", "PrivateTest")[n // 7 % 3], n) for n in range(42)
    ]
    path = write(tmp_path, *rows)
    with pytest.raises(UserError, match=r"not FER2013's .*: 1 \(6\), .*, 7 \(6\).*1=\?,2=\?"):
        load_splits(path, ReadOptions(skip_bad=True))
    raf = "1=surprise,2=fear,3=disgust,4=happy,5=sad,6=angry,7=neutral,8=contempt"
    splits = load_splits(path, ReadOptions(labels=raf))
    assert splits.classes == EMOTIONS
    assert splits.notes == ("labels in --labels, but not in the data: 8",)
    bright = splits.train.images[splits.train.labels == EMOTIONS.index("surprise")]
    expected = {parse_pixels(line.split(",")[1]).tobytes() for line in rows if line[0] == "1"}
    assert {image.tobytes() for image in bright} <= expected


@pytest.mark.parametrize("value", ["", "nan", "-1", "255"])
def test_a_row_without_a_label_is_bad(value: str, tmp_path: Path) -> None:
    rows = [*good_rows(), row(6), row(value), row(value)]
    with pytest.raises(UserError, match=r"2 bad faces \(--skip-bad leaves them out\)"):
        load_splits(write(tmp_path, *rows))


def test_a_row_with_more_columns_is_not_said_to_be_cut(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="columns: 4, but the header has 3; is a separator inside"):
        load_splits(write(tmp_path, *good_rows(), row() + ",x"))


def write_columns(folder: Path, header: str, *rows: str) -> Path:
    path = folder / "table.csv"
    path.write_text("\n".join([header, *rows]))
    return path


PIXELS = row().split(",")[1]


@pytest.mark.parametrize(
    ("header", "line", "message"),
    [
        ("mood,pixels", f"3,{PIXELS}", "found 'mood', 'pixels'; rename the label column"),
        ("pixels,sad,happy", f"{PIXELS},0,1", "found 'pixels', 'sad', 'happy'; rename the label"),
        ("pixels,set", f"{PIXELS},test", "the challenge's test.csv has none"),
        ("# from the lab\nlabel;pixels", f"3;{PIXELS}", "row 2 names them; delete what is above"),
        ("file,label", "faces/7.png,happy", "images; put the images into one folder for each"),
        (
            ",".join(["label", *(f"p{number}" for number in range(1024))]),
            ",".join(["7"] * 1025),
            "1,024 pixel columns instead of 2,304 (48 x 48); save the faces as images",
        ),
        ("3," * 1024 + "3", "", "1,024 pixel columns instead of 2,304 (48 x 48)"),
        ("emotion,pixels", "3" + ",7" * 784, "pixels: 784 pixels instead of 2,304 (48 x 48), as"),
        ("3," * 2304 + "3", "", "name them in row 1, such as emotion,pixels,Usage"),
    ],
)
def test_columns_that_are_not_found_are_refused_with_what_to_do(
    header: str, line: str, message: str, tmp_path: Path
) -> None:
    with pytest.raises(UserError, match=re.escape(message)) as error:
        load_splits(write_columns(tmp_path, header, *[line] * 9))
    assert "\n" not in str(error.value)


def test_a_line_that_names_the_separator_is_skipped(tmp_path: Path) -> None:
    expected = load_splits(write(tmp_path, *good_rows())).content_hash()
    lines = [HEADER, *good_rows()]
    path = write_columns(tmp_path, '"sep=;"', *(line.replace(",", ";") for line in lines))
    assert load_splits(path).content_hash() == expected


@pytest.mark.parametrize("separator", [",", " "])
@pytest.mark.parametrize("is_first", [True, False])
def test_numbers_without_a_header_are_read_if_only_one_end_can_be_the_label(
    separator: str, is_first: bool, tmp_path: Path
) -> None:
    faces = [[10, *range(200), n, *[0] * 2101, 10] for n in range(42)]
    rows = [[n % 7, *own] if is_first else [*own, n % 7] for n, own in enumerate(faces)]
    path = write_columns(tmp_path, *(separator.join(map(str, own)) for own in rows))
    splits = load_splits(path)
    shown = "emotion, pixels" if is_first else "pixels, emotion"
    assert f"table.csv has no header; its columns were read as {shown}" in splits.notes
    assert splits.classes == EMOTIONS
    assert (splits.train.images[:, -1, -1] == 10).all()


def test_of_two_columns_of_labels_words_name_the_classes(tmp_path: Path) -> None:
    codes = dict(enumerate(sorted(EMOTIONS)))  # as many programs number them
    rows = [f"{n % 7},{codes[n % 7]},{row(seed=n).split(',')[1]}" for n in range(42)]
    splits = load_splits(write_columns(tmp_path, "label,emotion,pixels", *rows))
    surprise = splits.train.images[splits.train.labels == EMOTIONS.index("surprise")]
    expected = {parse_pixels(own.split(",")[2]).tobytes() for own in rows if own[0] == "6"}
    assert {image.tobytes() for image in surprise} <= expected
    assert splits.notes == ()


def test_columns_that_are_not_read_are_named(tmp_path: Path) -> None:
    rows = [f"{number},{line},1" for number, line in enumerate(good_rows())]
    path = write(tmp_path, *rows, header=f",{HEADER},fold")
    assert "columns not read: one without a name, fold" in load_splits(path).notes


@pytest.mark.parametrize("name", ["Partition", "phase", "data_split"])
def test_splits_are_read_from_columns_of_other_names(name: str, tmp_path: Path) -> None:
    path = write(tmp_path, *good_rows(), header=f"emotion,pixels,{name}")
    assert len(load_splits(path).test) == 4
