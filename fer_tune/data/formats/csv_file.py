"""CSV files like fer2013.csv: one face a row, with its pixels as numbers in one column."""

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
from fer_tune.data.formats.class_and_split_names import match_split
from fer_tune.data.formats.decoded_faces import FaceCollector
from fer_tune.data.formats.open_folder_or_zip import READ_ERRORS, OpenableFile

_PIXELS = SIDE * SIDE
_MAX_LINE_LENGTH = 1 << 20  # characters; a face has 9,216 at most
_LABEL_NAMES = {str(label): name for label, name in enumerate(EMOTIONS)}


def has_faces(file: OpenableFile) -> bool:
    """Return whether the header has labels and pixels (the challenge's test.csv lacks labels)."""
    with _open_rows(file) as rows:
        return {"emotion", "pixels"} <= set(_read_header(rows))


def read_csv(file: OpenableFile, split: SplitName | None, collector: FaceCollector) -> None:
    """Read every row of a file into the collector.

    split: split of the faces if the file has no column Usage.

    Raises UserError if the header lacks a column or the file is not such a CSV.
    """
    with _open_rows(file) as rows:
        header = _read_header(rows)
        _check_header(header, file.path.name)
        for number, row in enumerate(rows, start=2):
            if not row:  # a blank line
                continue
            try:
                face = _parse_face(header, row, split)
            except ValueError as error:
                collector.add_bad_face(f"{file.path.name}, row {number}", str(error))
            else:
                collector.add_face(*face)


def parse_pixels(text: str) -> NDArray[np.uint8]:
    """Return (2304,) uint8 from 2,304 numbers with spaces between them.

    Raises ValueError that says what is wrong.
    """
    try:
        pixels = np.fromstring(text, dtype=np.int64, sep=" ")
    except (ValueError, DeprecationWarning):  # NumPy only warns of text that is not a number
        raise ValueError(_explain_bad_pixels(text)) from None
    if len(pixels) != _PIXELS or pixels.min() < 0 or pixels.max() > 255:
        raise ValueError(_explain_bad_pixels(text))
    return pixels.astype(np.uint8)


def _parse_face(
    header: list[str], row: list[str], split: SplitName | None
) -> tuple[SplitName | None, str, NDArray[np.uint8]]:
    if len(row) != len(header):
        raise ValueError(f"columns: {len(row)}, but the header has {len(header)}; is it cut short?")
    label = _LABEL_NAMES.get(row[header.index("emotion")].strip())
    if label is None:
        raise ValueError(f"column emotion: {_quote(row[header.index('emotion')])} is not 0 to 6")
    if "usage" in header:
        usage = row[header.index("usage")]
        split = match_split(usage)
        if split is None:
            known = "Training, PublicTest or PrivateTest"
            raise ValueError(f"column Usage: {_quote(usage)} is not {known}")
    try:
        return split, label, parse_pixels(row[header.index("pixels")])
    except ValueError as error:
        raise ValueError(f"column pixels: {error}") from None


def _explain_bad_pixels(text: str) -> str:
    tokens = text.split()
    for position, token in enumerate(tokens, start=1):
        if not re.fullmatch(r"[+-]?[0-9]+", token):
            return f"number {position} is {_quote(token)}, not a whole number"
        if not 0 <= int(token) <= 255:
            return f"number {position} is {_quote(token)}, outside 0 to 255"
    return f"{len(tokens):,} pixels instead of {_PIXELS:,} ({SIDE} x {SIDE})"


def _quote(text: str) -> str:
    return repr(text if len(text) <= 20 else f"{text[:20]}...")


def _read_header(rows: Iterator[list[str]]) -> list[str]:
    return [name.strip().casefold() for name in next(rows, [])]


def _check_header(header: list[str], name: str) -> None:
    if "pixels" in header and "emotion" not in header:
        raise UserError(
            f"{name} has no column emotion, so no labels to learn from (like the challenge's "
            "test.csv); name its train.csv or icml_face_data.csv"
        )
    if "emotion" not in header or "pixels" not in header:
        columns = ", ".join(map(_quote, header[:5])) or "nothing"
        raise UserError(f"{name}, row 1: no columns emotion and pixels; found {columns}")


def _read_lines(text: io.TextIOWrapper) -> Iterator[str]:
    while line := text.readline(_MAX_LINE_LENGTH + 1):
        if len(line) > _MAX_LINE_LENGTH:
            raise csv.Error("a line is far too long")
        yield line


@contextmanager
def _open_rows(file: OpenableFile) -> Iterator[Iterator[list[str]]]:
    name = file.path.name
    # Larger faces than 48 x 48 exceed csv's own limit; such a row has a message of its own.
    field_limit = csv.field_size_limit(_MAX_LINE_LENGTH)
    try:
        with (
            file.open() as binary,
            io.TextIOWrapper(binary, encoding="utf-8-sig", errors="replace", newline="") as text,
            warnings.catch_warnings(),
        ):
            warnings.simplefilter("error", DeprecationWarning)  # see parse_pixels
            yield (rows := csv.reader(_read_lines(text)))
    except csv.Error as error:
        line = rows.line_num or 1
        raise UserError(f"{name}, near line {line}: no CSV of faces ({error})") from None
    except READ_ERRORS as error:
        raise UserError(f"{name} cannot be read: {error}") from None
    finally:
        csv.field_size_limit(field_limit)
