"""The columns of a CSV file of faces: labels, pixels and perhaps splits."""

import re
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass

from fer_tune.data.formats.class_and_split_names import match_split
from fer_tune.data.formats.label_coding import LABEL_COLUMNS, SPLIT_COLUMNS
from fer_tune.data.formats.pixel_text import PIXEL_COLUMNS, PIXELS, is_pixels
from fer_tune.data.read_options import is_numeric_label, normalize_label

_MAX_LABEL = 9


@dataclass(frozen=True)
class CsvColumns:
    """The names of the columns, and the positions of those that hold faces.

    pixels: one column of 2,304 numbers, or 2,304 columns of one.
    """

    names: tuple[str, ...]
    labels: tuple[int, ...]
    pixels: tuple[int, ...]
    split: int | None
    are_assumed: bool = False  # the file has no header

    def fit_row(self, row: list[str]) -> list[str]:
        """Return the values of a row, one for each column.

        Raises ValueError if it has too many or too few.
        """
        extra = len(row) - len(self.names)
        if extra == PIXELS - 1 and len(self.pixels) == 1:  # unquoted pixels with commas
            (start,) = self.pixels
            end = start + PIXELS
            return [*row[:start], " ".join(row[start:end]), *row[end:]]
        if extra > 0 and not any(map(str.strip, row[-extra:])):
            return row[:-extra]
        if extra:
            hint = "is it cut short?" if extra < 0 else "is a separator inside a value?"
            columns = f"columns: {len(row)}, but the header has {len(self.names)}"
            raise ValueError(f"{columns}; {hint}")
        return row


def find_columns(header: list[str]) -> CsvColumns | None:
    """Return the columns that a header names, or None if it names no labels or no pixels."""
    shown = [name.strip(" \t\0'\"") for name in header]
    while shown and not shown[-1] and len(shown) < PIXELS:
        shown.pop()
    names = [name.casefold() for name in shown]
    labels, pixels, splits = (
        tuple(index for index, name in enumerate(names) if name in wanted)
        for wanted in (LABEL_COLUMNS, PIXEL_COLUMNS, SPLIT_COLUMNS)
    )
    numbered = find_number_columns(names)
    pixels = pixels[:1] or (numbered if len(numbered) == PIXELS else ())
    if labels and pixels:
        return CsvColumns(tuple(shown), labels, pixels, next(iter(splits), None))
    return None


def derive_columns(row: list[str]) -> CsvColumns | None:
    """Return the columns of a file without a header, from its first row, or None."""
    splits = [index for index, value in enumerate(row) if match_split(value)]
    others = [index for index in range(len(row)) if index not in splits]
    pixels = [index for index in others if is_pixels(row[index])]
    if len(others) == PIXELS + 1:  # the label is at one end
        ends = [index for index in (others[0], others[-1]) if _is_pixel(row[index])]
        pixels = sorted([*others[1:-1], *ends])
    labels = tuple(index for index in others if index not in pixels)
    if len(labels) != 1 or len(pixels) not in (1, PIXELS) or len(splits) > 1:
        return None
    names = ["Usage" if index in splits else "pixels" for index in range(len(row))]
    names[labels[0]] = "emotion"
    return CsvColumns(tuple(names), labels, tuple(pixels), next(iter(splits), None), True)


def find_number_columns(names: Iterable[str]) -> tuple[int, ...]:
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
