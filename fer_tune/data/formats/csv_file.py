"""CSV files like fer2013.csv: one face a row, with its pixels as numbers."""

import csv
import io
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from functools import partial
from itertools import chain, islice
from pathlib import PurePath
from reprlib import repr as quote

from fer_tune.common.errors import UserError
from fer_tune.data.faces import SIDE
from fer_tune.data.formats import table_columns
from fer_tune.data.formats.decoded_faces import FaceCollector
from fer_tune.data.formats.identify_file import check_content, detect_encoding
from fer_tune.data.formats.image_file import SUFFIXES
from fer_tune.data.formats.label_coding import SPLIT_COLUMNS
from fer_tune.data.formats.open_folder_or_zip import READ_ERRORS, OpenableFile
from fer_tune.data.formats.pixel_text import PIXEL_COLUMNS, PIXELS

_MAX_LINE_LENGTH = 1 << 20  # characters; a face has 9,216 at most
_SEPARATORS = ",;\t|"
_SEPARATOR_LINE = "sep="  # the start of Excel's own first line
_BLANK = " \t\r\n\0,;|\"'"


_Rows = Iterator[tuple[int, list[str]]]  # with their numbers, without those that hold nothing


def has_faces(file: OpenableFile) -> bool:
    """Return whether a file has labels and pixels (the challenge's test.csv lacks labels)."""
    with _open_table(file) as (columns, _):
        return columns is not None


def read_csv(file: OpenableFile, collector: FaceCollector) -> None:
    """Read every row of a file into the collector.

    Raises UserError if the header lacks a column or the file is not such a CSV.
    """
    with _open_table(file) as (columns, rows):
        if columns is None:
            raise _build_columns_error(list(islice(rows, 5)), file.path.name)
        if columns.are_assumed:
            shown = ", ".join(dict.fromkeys(columns.names))
            note = f"{file.path.name} has no header; its columns were read as {shown}"
            collector.notes[note] = None
        columns.read_rows(rows, file.path, collector)


def _build_columns_error(top: list[tuple[int, list[str]]], name: str) -> UserError:
    first = [value.strip() for value in top[0][1]] if top else []
    names, count = set(map(str.casefold, first)), len(table_columns.find_number_columns(first))
    has_pixels = bool(table_columns.find_pixel_columns(first))
    if header := next((number for number, row in top if table_columns.find_columns(row)), None):
        advice = f"row {header} names them; delete what is above it"
    elif any(PurePath(value).suffix.lower() in SUFFIXES for _, row in top for value in row):
        advice = "its rows name images; put the images into one folder for each expression"
    elif has_pixels and names <= {*PIXEL_COLUMNS, *SPLIT_COLUMNS}:
        advice = "the challenge's test.csv has none; name its train.csv or icml_face_data.csv"
    elif has_pixels:
        advice = "rename the label column to emotion, or make it from the columns of the classes"
    elif 99 < count < PIXELS or count > PIXELS + 1:
        count -= count == len(first)  # of these is the label, in a file without a header
        size = f"{count:,} pixel columns instead of {PIXELS:,} ({SIDE} x {SIDE})"
        advice = f"{size}; save the faces as images in class folders"
    else:
        advice = "name them in row 1, such as emotion,pixels,Usage or emotion,pixel0,...,pixel2303"
    found = ", ".join([*map(quote, first[:9]), *["..."][: len(first[9:])]]) or "nothing"
    missing = "column emotion" if has_pixels else "columns emotion and pixels"
    return UserError(f"{name}, row 1: no {missing}; found {found}; {advice}")


def _find_separator(head: str) -> str:
    for line in (line.strip(_BLANK) for line in head.splitlines()):
        marks = [mark for mark in _SEPARATORS if mark in line]
        if marks and not line.startswith(_SEPARATOR_LINE):
            return max(marks, key=line.count)
    return " "


def _read_rows(lines: Iterable[str], separator: str, name: str) -> _Rows:
    number = 0
    try:
        for row in csv.reader(lines, delimiter=separator, skipinitialspace=True):
            number += 1
            has_values = any(value.strip(_BLANK) for value in row)
            if has_values and not row[0].startswith(_SEPARATOR_LINE):
                yield number, row
    except csv.Error:
        problem = "not a CSV of faces; is a quotation mark not closed?"
        raise UserError(f"{name}, row {number + 1}: {problem}") from None


def _read_lines(text: io.TextIOWrapper, name: str) -> Iterator[str]:
    lines = iter(partial(text.readline, _MAX_LINE_LENGTH + 1), "")
    for number, line in enumerate(lines, start=1):
        if len(line) > _MAX_LINE_LENGTH:
            raise UserError(f"{name}, line {number}: not a CSV of faces; the line is far too long")
        yield line


@contextmanager
def _open_table(file: OpenableFile) -> Iterator[tuple[table_columns.TableColumns | None, _Rows]]:
    name = file.path.name
    # Larger faces than 48 x 48 exceed csv's own limit; such a row has a message of its own.
    field_limit = csv.field_size_limit(_MAX_LINE_LENGTH)
    try:
        head = file.read_head()
        check_content(head, name)
        encoding = detect_encoding(head)
        with (
            file.open() as binary,
            io.TextIOWrapper(binary, encoding=encoding, errors="replace", newline="") as text,
        ):
            separator = _find_separator(head.decode(encoding, "replace"))
            rows = _read_rows(_read_lines(text, name), separator, name)
            number, first = next(rows, (1, []))
            if columns := table_columns.find_columns(first):
                yield columns, rows
            else:
                yield table_columns.derive_columns(first), chain([(number, first)], rows)
    except READ_ERRORS as error:
        raise UserError(f"{name} cannot be read: {error}") from None
    finally:
        csv.field_size_limit(field_limit)
