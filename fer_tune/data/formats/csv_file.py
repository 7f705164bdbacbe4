"""CSV files like fer2013.csv: one face a row, with its pixels as numbers."""

import csv
import io
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import chain
from reprlib import repr as quote
from typing import NamedTuple

from fer_tune.common.errors import UserError
from fer_tune.data.faces import SplitName
from fer_tune.data.formats import pixel_text
from fer_tune.data.formats.class_and_split_names import match_split
from fer_tune.data.formats.csv_columns import CsvColumns, find_columns, guess_columns
from fer_tune.data.formats.decoded_faces import FaceCollector
from fer_tune.data.formats.identify_file import check_content
from fer_tune.data.formats.label_coding import LABEL_COLUMNS
from fer_tune.data.formats.open_folder_or_zip import READ_ERRORS, OpenableFile

_MAX_LINE_LENGTH = 1 << 20  # characters; a face has 9,216 at most
_SEPARATORS = ",;\t|"
_BLANK = " \t\r\n\0,;|\"'"


class _Table(NamedTuple):
    """The rows of a file with their numbers; columns is None if they hold no faces."""

    first_row: list[str]
    columns: CsvColumns | None
    rows: Iterator[tuple[int, list[str]]]  # without lines that hold nothing
    has_header: bool


def has_faces(file: OpenableFile) -> bool:
    """Return whether a file has labels and pixels (the challenge's test.csv lacks labels)."""
    with _open_table(file) as table:
        return table.columns is not None


def read_csv(file: OpenableFile, split: SplitName | None, collector: FaceCollector) -> None:
    """Read every row of a file into the collector.

    split: split of the faces if the file has no column of splits.

    Raises UserError if the header lacks a column or the file is not such a CSV.
    """
    with _open_table(file) as table:
        columns, name = table.columns, file.path.name
        if columns is None:
            raise _build_columns_error(table.first_row, name)
        if not table.has_header:
            note = f"{name} has no header; its columns were read as {', '.join(columns.names)}"
            collector.notes[note] = None
        collector.label_column = f"column {columns.names[columns.label]}"
        collector.advice = pixel_text.ADVICE
        for number, row in table.rows:
            _read_row(row, columns, split, f"{name}, row {number}", collector)


def _read_row(
    row: list[str],
    columns: CsvColumns,
    split: SplitName | None,
    location: str,
    collector: FaceCollector,
) -> None:
    try:
        values = columns.align_row(row)
        if columns.split is not None:
            split = match_split(values[columns.split])
            if split is None:
                place = f"{location}: column {columns.names[columns.split]}"
                collector.add_unknown_split(place, values[columns.split])
                return
        try:
            pixels = pixel_text.parse_pixels(" ".join(values[index] for index in columns.pixels))
        except ValueError as error:
            raise ValueError(f"column {columns.names[columns.pixels[0]]}: {error}") from None
    except ValueError as error:
        # Rows below are part of a value; arrays in brackets have several lines, too.
        if any("\n" in value and "[" not in value for value in row):
            raise UserError(f"{location}: a quotation mark is not closed; correct it") from None
        collector.add_bad_face(location, str(error))
    else:
        label = f"{location}: {collector.label_column}"
        collector.add_face(split, values[columns.label], pixels, location=label)


def _build_columns_error(first_row: list[str], name: str) -> UserError:
    names = [value.strip().casefold() for value in first_row]
    found = ", ".join(quote(value.strip()) for value in first_row[:5]) or "nothing"
    if "pixels" in names and not set(LABEL_COLUMNS) & set(names):
        return UserError(
            f"{name} has no column emotion, so no labels to learn from (like the challenge's "
            "test.csv); name its train.csv or icml_face_data.csv"
        )
    return UserError(
        f"{name}, row 1: no columns emotion and pixels; found {found}; if the rows are faces, name "
        "their columns in a first row such as emotion,pixels,Usage"
    )


def _number_rows(rows: Iterator[list[str]], name: str) -> Iterator[tuple[int, list[str]]]:
    number = 0
    while True:
        number += 1
        try:
            row = next(rows)
        except StopIteration:
            return
        except csv.Error as error:
            reason = str(error)
            if "field larger" in reason:
                reason = "is a quotation mark not closed?"
            raise UserError(f"{name}, row {number}: not a CSV of faces; {reason}") from None
        yield number, row


def _begin_table(text: io.TextIOWrapper, name: str) -> _Table:
    lines, first_lines = _read_lines(text, name), list[str]()
    for line in lines:
        first_lines.append(line)
        if line.strip(_BLANK):
            break
    separator = max(_SEPARATORS, key=first_lines[-1].count) if first_lines else ","
    reader = csv.reader(chain(first_lines, lines), delimiter=separator, skipinitialspace=True)
    rows = (
        (number, row) for number, row in _number_rows(reader, name) if "".join(row).strip(_BLANK)
    )
    first = next(rows, (1, list[str]()))
    columns = find_columns(first[1])
    has_header = columns is not None
    if not has_header and (columns := guess_columns(first[1])):
        return _Table(first[1], columns, chain([first], rows), has_header=False)
    return _Table(first[1], columns, rows, has_header)


def _read_lines(text: io.TextIOWrapper, name: str) -> Iterator[str]:
    number = 0
    while line := text.readline(_MAX_LINE_LENGTH + 1):
        number += 1
        if len(line) > _MAX_LINE_LENGTH:
            raise UserError(f"{name}, line {number}: not a CSV of faces; the line is far too long")
        yield line


def _detect_encoding(head: bytes) -> str:
    if head[:2] in (b"\xff\xfe", b"\xfe\xff"):
        return "utf-16"
    by_zeros = {(False, True): "utf-16-le", (True, False): "utf-16-be"}
    return by_zeros.get((head[:1] == b"\0", head[1:2] == b"\0"), "utf-8-sig")


@contextmanager
def _open_table(file: OpenableFile) -> Iterator[_Table]:
    name = file.path.name
    # Larger faces than 48 x 48 exceed csv's own limit; such a row has a message of its own.
    field_limit = csv.field_size_limit(_MAX_LINE_LENGTH)
    try:
        head = file.read_head()
        check_content(head, name)
        encoding = _detect_encoding(head)
        with (
            file.open() as binary,
            io.TextIOWrapper(binary, encoding=encoding, errors="replace", newline="") as text,
        ):
            yield _begin_table(text, name)
    except READ_ERRORS as error:
        raise UserError(f"{name} cannot be read: {error}") from None
    finally:
        csv.field_size_limit(field_limit)
