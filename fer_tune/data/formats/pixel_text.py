"""Faces as text: 2,304 numbers in one value of a table."""

import re
import warnings
from reprlib import repr as quote
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fer_tune.common.safe_text import pluralize
from fer_tune.data.faces import SIDE

PIXELS = SIDE * SIDE
PIXEL_COLUMNS = ("pixels", "pixel")  # names of columns, in lower case
ADVICE = (
    f"write each row as a label, {PIXELS:,} whole numbers from 0 to 255 with spaces between them "
    "and, if there is a column Usage, a split; or save the faces as images in class folders"
)
_BRACKETS = str.maketrans("", "", "[](){}'\"")


def parse_pixels(text: str) -> NDArray[np.uint8]:
    """Return (2304,) uint8 from 2,304 numbers with spaces or commas between them.

    Brackets around them are ignored, and 70.0 is 70.

    Raises ValueError that says what is wrong.
    """
    pixels = _read_numbers(text, np.int64, " ")  # the form of fer2013.csv, fast
    if pixels is None:
        text = text.translate(_BRACKETS).strip()
        separator = next((mark for mark in ",;|" if text.count(mark) > PIXELS // 2), " ")
        pixels = _read_numbers(text, np.float64, separator)
        if pixels is None or (pixels % 1).any():
            raise ValueError(_explain_bad_pixels(text.split(separator.strip() or None)))
    return pixels.astype(np.uint8)


def _read_numbers(text: str, number_type: type, separator: str) -> NDArray[Any] | None:
    """Return 2,304 numbers from 0 to 255, or None if the text is something else."""
    with warnings.catch_warnings():
        warnings.simplefilter("error", DeprecationWarning)  # of text that is not a number
        try:
            pixels: NDArray[Any] = np.fromstring(text, dtype=number_type, sep=separator)
        except (ValueError, DeprecationWarning):
            return None
    is_grey = len(pixels) == PIXELS and pixels.min() >= 0 and pixels.max() <= 255
    return pixels if is_grey else None


def is_pixels(text: str) -> bool:
    """Return whether a value has many numbers, whatever their size and number."""
    return len(re.findall(r"[0-9.]+[\s,;|]+", text[:10_000])) > 100


def _explain_bad_pixels(tokens: list[str]) -> str:
    for position, token in enumerate(map(str.strip, tokens), start=1):
        place = f"number {position} is {quote(token)}"
        if token == "...":
            return f"{place}: the program that wrote the file left pixels out"
        if not re.fullmatch(r"[+-]?([0-9]+(\.0*)?|\.0+)", token):
            return f"{place}, not a whole number{_explain_fractions(tokens)}"
        if not 0 <= float(token) <= 255:
            return f"{place}, outside 0 to 255"
    side = round(len(tokens) ** 0.5)
    size = f", as of {side} x {side}" if side * side == len(tokens) > 1 else ""
    return f"{pluralize(len(tokens), 'pixel')} instead of {PIXELS:,} ({SIDE} x {SIDE}){size}"


def _explain_fractions(tokens: list[str]) -> str:
    try:
        values = [float(token) for token in tokens]
    except ValueError:
        return ""
    return "; multiply the pixels by 255" if min(values) >= 0 and max(values) <= 1 else ""
