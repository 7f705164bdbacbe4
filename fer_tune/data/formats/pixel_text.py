"""Faces as text: 2,304 numbers in one value of a table."""

import re
import warnings
from itertools import product
from reprlib import repr as quote

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
    """Return (48, 48) uint8 from 2,304 numbers with spaces or commas between them.

    Brackets around them are ignored, and 70.0 is 70.

    Raises ValueError that says what is wrong.
    """
    if not text[:1].isdigit():
        text = text.translate(_BRACKETS).strip()
    with warnings.catch_warnings():
        # Of text that is not a number, and of numbers far outside 0 to 255.
        warnings.simplefilter("error")
        for separator, number_type in product(" ,;|", (np.int64, np.float64)):
            try:
                numbers = np.fromstring(text, dtype=number_type, sep=separator)
                pixels = numbers.astype(np.uint8)
            except (ValueError, Warning):
                continue
            if len(pixels) == PIXELS and (pixels == numbers).all():
                return pixels.reshape(SIDE, SIDE)
    mark = max(",;|", key=text.count)
    raise ValueError(_explain_bad_pixels(text.split(mark if text.count(mark) > 99 else None)))


def is_pixels(text: str) -> bool:
    """Return whether a value has many numbers, whatever their size and number."""
    return len(re.findall(r"[0-9.]+[\s,;|]+", text[:10_000])) > 100


def _explain_bad_pixels(tokens: list[str]) -> str:
    for position, token in enumerate(map(str.strip, tokens), start=1):
        place = f"number {position} is {quote(token)}"
        if token == "...":
            return f"{place}: the program that wrote the file left pixels out"
        if not re.fullmatch(r"[+-]?([0-9]+(\.0*)?|\.0+)", token):
            advice = "; multiply the pixels by 255" if re.fullmatch(r"0?\.[0-9]+", token) else ""
            return f"{place}, not a whole number{advice}"
        if not 0 <= float(token) <= 255:
            return f"{place}, outside 0 to 255"
    side = round(len(tokens) ** 0.5)
    size = f", as of {side} x {side}" if side * side == len(tokens) > 1 else ""
    return f"{pluralize(len(tokens), 'pixel')} instead of {PIXELS:,} ({SIDE} x {SIDE}){size}"
