"""The columns of a CSV file of faces: labels, pixels and perhaps splits."""

import re
from collections import defaultdict
from dataclasses import dataclass

from fer_tune.data.formats.class_and_split_names import match_split
from fer_tune.data.formats.label_coding import LABEL_COLUMNS, SPLIT_COLUMNS
from fer_tune.data.formats.pixel_text import PIXEL_COLUMNS, PIXELS, is_pixels


@dataclass(frozen=True)
class CsvColumns:
    """The names of the columns, and the positions of those that hold faces.

    pixels: one column of 2,304 numbers, or 2,304 columns of one.
    """

    names: tuple[str, ...]
    label: int
    pixels: tuple[int, ...]
    split: int | None

    def align_row(self, row: list[str]) -> list[str]:
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
    label, split = _find_name(names, LABEL_COLUMNS), _find_name(names, SPLIT_COLUMNS)
    column = _find_name(names, PIXEL_COLUMNS)
    pixels = (column,) if column is not None else _find_pixel_columns(names, {label, split})
    if label is None or not pixels:
        return None
    return CsvColumns(tuple(shown), label, pixels, split)


def guess_columns(row: list[str]) -> CsvColumns | None:
    """Return the columns of a file without a header, from its first row, or None."""
    pixels = [index for index, value in enumerate(row) if is_pixels(value)]
    splits = [index for index, value in enumerate(row) if match_split(value)]
    labels = [index for index in range(len(row)) if index not in (*pixels, *splits)]
    if (len(pixels), len(labels)) != (1, 1) or len(splits) > 1:
        return None
    names = {labels[0]: "emotion", pixels[0]: "pixels"} | dict.fromkeys(splits, "Usage")
    split = splits[0] if splits else None
    return CsvColumns(tuple(names[i] for i in range(len(row))), labels[0], (pixels[0],), split)


def _find_name(names: list[str], wanted: tuple[str, ...]) -> int | None:
    return next((names.index(name) for name in wanted if name in names), None)


def _find_pixel_columns(names: list[str], others: set[int | None]) -> tuple[int, ...]:
    """Return 2,304 columns such as pixel0 to pixel2303, in the order of their numbers, or none."""
    groups: defaultdict[str, list[int]] = defaultdict(list)
    for index, name in enumerate(names):
        if index not in others:
            groups[re.sub(r"\d+", "#", name)].append(index)
    pixels = next((group for group in groups.values() if len(group) == PIXELS), [])
    return tuple(sorted(pixels, key=lambda index: [*map(int, re.findall(r"\d+", names[index]))]))
