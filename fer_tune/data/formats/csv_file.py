"""fer2013.csv and its relatives: one face a row, its pixels as numbers in one column."""

import csv
import io
import re
import warnings
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
from numpy.typing import NDArray

from fer_tune.common.errors import UserError
from fer_tune.data.faces import EMOTIONS, SIDE, SplitName
from fer_tune.data.formats import class_and_split_names
from fer_tune.data.formats.decoded_faces import FaceCollector
from fer_tune.data.formats.source_files import READ_ERRORS, SourceFile

_PIXELS = SIDE * SIDE
_MAX_LINE_LENGTH = 1 << 20  # characters; a face takes 9,216 at most
_LABEL_NAMES = {str(label): name for label, name in enumerate(EMOTIONS)}


class _BadRow(ValueError):
    pass


def has_faces(entry: SourceFile) -> bool:
    """Whether the header names labels and pixels (the challenge's test.csv has no labels)."""
    with _open_rows(entry) as rows:
        return {"emotion", "pixels"} <= set(_read_header(rows))


def read_csv(entry: SourceFile, split: SplitName | None, collector: FaceCollector) -> None:
    """Read every row; `match_split` is that of the faces of a file without a Usage column.

    Raises UserError where the header lacks a column or the file is no text of that kind.
    """
    with _open_rows(entry) as rows:
        header = _read_header(rows)
        _check_header(header, entry.path.name)
        for number, row in enumerate(rows, start=2):
            if not row:  # a blank line
                continue
            try:
                collector.add_face(*_parse_face(header, row, split))
            except _BadRow as error:
                collector.add_bad_face(f"{entry.path.name}, row {number}", str(error))


def parse_pixels(text: str) -> NDArray[np.uint8]:
    """(2304,) uint8 from 2,304 numbers with spaces between them.

    Raises ValueError that says what is wrong.
    """
    try:
        pixels = np.fromstring(text, dtype=np.int64, sep=" ")
    except (ValueError, DeprecationWarning):  # NumPy only warns of text that is no number
        raise ValueError(_explain_bad_pixels(text)) from None
    if len(pixels) != _PIXELS or pixels.min() < 0 or pixels.max() > 255:
        raise ValueError(_explain_bad_pixels(text))
    return pixels.astype(np.uint8)


def _parse_face(
    header: list[str], row: list[str], split: SplitName | None
) -> tuple[SplitName | None, str, NDArray[np.uint8]]:
    if len(row) != len(header):
        raise _BadRow(f"columns: {len(row)} where the header has {len(header)}; is it cut short?")
    label = _LABEL_NAMES.get(row[header.index("emotion")].strip())
    if label is None:
        raise _BadRow(f"column emotion: {_quote_text(row[header.index('emotion')])} is not 0 to 6")
    if "usage" in header:
        usage = row[header.index("usage")]
        split = class_and_split_names.match_split(usage)
        if split is None:
            raise _BadRow(
                f"column Usage: {_quote_text(usage)} is not Training, PublicTest or PrivateTest"
            )
    try:
        return split, label, parse_pixels(row[header.index("pixels")])
    except ValueError as error:
        raise _BadRow(f"column pixels: {error}") from None


def _explain_bad_pixels(text: str) -> str:
    tokens = text.split()
    for place, token in enumerate(tokens, start=1):
        if not re.fullmatch(r"[+-]?[0-9]+", token):
            return f"number {place} is {_quote_text(token)}, which is no whole number"
        if not 0 <= int(token) <= 255:
            return f"number {place} is {_quote_text(token)}, outside 0 to 255"
    return f"{len(tokens):,} pixels where {_PIXELS:,} ({SIDE} x {SIDE}) belong"


def _quote_text(text: str) -> str:
    return repr(text if len(text) <= 20 else f"{text[:20]}...")


def _read_header(rows: Iterator[list[str]]) -> list[str]:
    return [name.strip().casefold() for name in next(rows, [])]


def _check_header(header: list[str], name: str) -> None:
    missing = [column for column in ("emotion", "pixels") if column not in header]
    if missing == ["emotion"]:
        raise UserError(
            f"{name} has pixels but no column emotion, so no labels to learn from (the "
            "challenge's test.csv is like that); name its train.csv or icml_face_data.csv"
        )
    if missing:
        found = ", ".join(_quote_text(column) for column in header[:5]) or "nothing"
        raise UserError(f"{name}, row 1: no columns emotion and pixels; found {found}")


def _read_lines(text: io.TextIOWrapper) -> Iterator[str]:
    while line := text.readline(_MAX_LINE_LENGTH + 1):
        if len(line) > _MAX_LINE_LENGTH:
            raise csv.Error("a line is far too long")
        yield line


@contextmanager
def _open_rows(entry: SourceFile) -> Iterator[Iterator[list[str]]]:
    name = entry.path.name
    # Larger faces than 48 x 48 exceed csv's own limit; such a row has a message of its own.
    field_limit = csv.field_size_limit(_MAX_LINE_LENGTH)
    try:
        with (
            entry.open() as file,
            io.TextIOWrapper(file, encoding="utf-8-sig", errors="replace", newline="") as text,
            warnings.catch_warnings(),
        ):
            warnings.simplefilter("error", DeprecationWarning)  # see parse_pixels
            yield (rows := csv.reader(_read_lines(text)))
    except csv.Error as error:
        raise UserError(f"{name} is no CSV of faces: {error} (near line {rows.line_num})") from None
    except READ_ERRORS as error:
        raise UserError(f"{name} cannot be read: {error}") from None
    finally:
        csv.field_size_limit(field_limit)
