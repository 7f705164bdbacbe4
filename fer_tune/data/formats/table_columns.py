"""The columns of a table of faces: labels, pixels and perhaps splits."""

import re
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import PurePath
from reprlib import repr as quote
from typing import Any

from fer_tune.common.errors import UserError
from fer_tune.common.safe_text import escape_unprintable, join_first
from fer_tune.data.faces import SplitName
from fer_tune.data.formats import image_file, pixel_text
from fer_tune.data.formats.class_and_split_names import match_file_split, match_split
from fer_tune.data.formats.decoded_faces import CollectedFace, FaceCollector
from fer_tune.data.formats.label_coding import LABEL_COLUMNS, SPLIT_COLUMNS, merge_labels
from fer_tune.data.formats.pixel_text import PIXEL_COLUMNS, PIXELS
from fer_tune.data.read_options import is_numeric_label, normalize_label

_MAX_LABEL = 9
_MAX_EXTRA = 99  # values of a damaged row without a column; more are pixels


@dataclass(frozen=True)
class TableColumns:
    """The names of the columns, and the positions of those that hold faces.

    pixels: one column of images or of 2,304 numbers, or 2,304 columns of one number.
    """

    names: tuple[str, ...]
    labels: tuple[int, ...]
    pixels: tuple[int, ...]
    split: int | None
    are_assumed: bool = False  # the file has no header

    def read_rows(
        self, rows: Iterable[tuple[int, Sequence[Any]]], path: PurePath, collector: FaceCollector
    ) -> None:
        """Read all rows into the collector.

        rows: numbers and values of the rows.
        path: path of the table, which may name the split.

        Raises UserError if a quotation mark is not closed.
        """
        self._describe(collector)
        file_split = match_file_split(path)
        collector.row_counts.append(0)
        for number, row in rows:
            location = f"{path}, row {number}"
            try:
                self._read_row(self._fit_row(row), location, file_split, collector)
            except ValueError as error:
                # Rows below are part of a value; arrays in brackets have several lines, too.
                texts = [value for value in row if isinstance(value, str)]
                if any("\n" in text and "[" not in text for text in texts):
                    problem = "a quotation mark is not closed; correct it"
                    raise UserError(f"{location}: {problem}") from None
                collector.add_bad_face(location, str(error))
            collector.row_counts[-1] += 1

    def _describe(self, collector: FaceCollector) -> None:
        used = {*self.labels, *self.pixels, self.split}
        unread = [name for index, name in enumerate(self.names) if index not in used]
        if unread:
            shown = join_first([name or "one without a name" for name in unread])
            collector.notes[f"columns not read: {escape_unprintable(shown)}"] = None
        labels = " or ".join(self.names[index] for index in self.labels)
        collector.label_column, collector.advice = f"column {labels}", pixel_text.ADVICE

    def _read_row(
        self, row: Sequence[Any], location: str, split: SplitName | None, collector: FaceCollector
    ) -> None:
        if self.split is not None:
            name = "" if row[self.split] is None else str(row[self.split]).strip()
            split = match_split(name)
            if split is None:
                collector.unknown_splits[name] += 1
                column = self.names[self.split]
                raise ValueError(f"column {column}: {quote(name)} is not the name of a split")
        try:
            pixels, conversions = _decode_values([row[index] for index in self.pixels])
        except ValueError as error:
            raise ValueError(f"column {self.names[self.pixels[0]]}: {error}") from None
        labels = [(self.names[index], row[index]) for index in self.labels]
        label = merge_labels(labels, collector.label_pairs, location)
        position = collector.row_counts[-1]
        collector.add_face(CollectedFace(split, label, pixels, location, position), conversions)

    def _fit_row(self, row: Sequence[Any]) -> Sequence[Any]:
        """Return the values of a row, one for each column.

        Raises ValueError if it has too many or too few.
        """
        extra = len(row) - len(self.names)
        if extra > 0 and not "".join(row[-extra:]).strip():
            return row[:-extra]
        if extra > _MAX_EXTRA and len(self.pixels) == 1:  # unquoted pixels with commas
            (start,) = self.pixels
            end = start + extra + 1
            return [*row[:start], " ".join(row[start:end]), *row[end:]]
        if extra:
            hint = "is it cut short?" if extra < 0 else "is a separator inside a value?"
            columns = f"columns: {len(row)}, but the header has {len(self.names)}"
            raise ValueError(f"{columns}; {hint}")
        return row


def _decode_values(values: Sequence[Any]) -> image_file.DecodedImage:
    """Return the face in an image, in pixels as text, or in a list or columns of numbers."""
    data = values[0].get("bytes") if isinstance(values[0], dict) else values[0]
    if data is None:
        raise ValueError("no image bytes")
    if isinstance(data, bytes):
        return image_file.decode_face(data)
    return pixel_text.parse_pixels(" ".join(map(str, values))), ()


def find_columns(header: Sequence[str], images: Sequence[int] = ()) -> TableColumns | None:
    """Return the columns that a header names, or None if it names no labels or no pixels.

    images: columns that hold image files, of which the first is read.
    """
    shown = [name.strip(" \t\0'\"") for name in header]
    while shown and not shown[-1] and len(shown) < PIXELS:
        shown.pop()
    names = [name.casefold() for name in shown]
    labels, splits = (
        tuple(index for index, name in enumerate(names) if name in wanted)
        for wanted in (LABEL_COLUMNS, SPLIT_COLUMNS)
    )
    pixels = tuple(images[:1]) or find_pixel_columns(names)
    if labels and pixels:
        return TableColumns(tuple(shown), labels, pixels, next(iter(splits), None))
    return None


def derive_columns(row: list[str]) -> TableColumns | None:
    """Return the columns of a file without a header, from its first row, or None."""
    splits = [index for index, value in enumerate(row) if match_split(value)]
    others = [index for index in range(len(row)) if index not in splits]
    pixels = [index for index in others if pixel_text.is_pixels(row[index])]
    if len(others) == PIXELS + 1:  # the label is at one end
        ends = [index for index in (others[0], others[-1]) if _is_pixel(row[index])]
        pixels = sorted([*others[1:-1], *ends])
    labels = tuple(index for index in others if index not in pixels)
    if len(labels) != 1 or len(pixels) not in (1, PIXELS) or len(splits) > 1:
        return None
    names = ["Usage" if index in splits else "pixels" for index in range(len(row))]
    names[labels[0]] = "emotion"
    return TableColumns(tuple(names), labels, tuple(pixels), next(iter(splits), None), True)


def find_pixel_columns(names: Sequence[str]) -> tuple[int, ...]:
    """Return the column of pixels, or 2,304 columns in the order of their numbers, or none."""
    for index, name in enumerate(names):
        if name.casefold() in PIXEL_COLUMNS:
            return (index,)
    numbered = find_number_columns(names)
    return numbered if len(numbered) == PIXELS else ()


def find_number_columns(names: Sequence[str]) -> tuple[int, ...]:
    """Return the most columns that differ in a number (pixel0, pixel1), in its order."""
    groups: defaultdict[str, list[tuple[list[int], int]]] = defaultdict(list)
    for index, name in enumerate(names):
        if numbers := re.findall(r"\d+", name):
            groups[re.sub(r"\d+", "#", name)].append(([*map(int, numbers)], index))
    largest = max(groups.values(), key=len, default=[])
    return tuple(index for _, index in sorted(largest))


def _is_pixel(value: str) -> bool:
    """Return whether a value is a pixel, and too large for a label."""
    number = normalize_label(value)
    return is_numeric_label(number) and _MAX_LABEL < float(number) <= 255
