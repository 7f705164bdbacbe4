"""Images of more than 8 bits a pixel, and the depth that the images of a data set share.

A camera of 10 or 12 bits stores its values in 16 bits, so the file does not tell the depth. The
largest value of all images does. Scaling each image by itself would change how bright the faces are
beside each other.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from PIL.ImageFile import ImageFile

DEPTHS = (8, 10, 12, 16)  # bits
_MAX_VALUE, _MAX_BYTE = (1 << 16) - 1, (1 << 8) - 1


class DeepFace(NamedTuple):
    """A face from a deep image, before the depth of its data set is known.

    largest: largest value in the image.
    by_depth: (48, 48) uint8 for each possible depth.
    """

    largest: int
    by_depth: dict[int, NDArray[np.uint8]]


def is_deep(image: Image.Image) -> bool:
    """Return whether a grey image may have more than 8 bits a pixel."""
    return image.mode.startswith("I")


def find_depth(largest: int) -> int:
    """Return the bits that images need whose largest value is `largest`."""
    return next(bits for bits in DEPTHS if largest < 1 << bits)


def describe_depth(images: int, largest: int) -> str:
    """Return a note on images whose depth their largest value shows."""
    note = f"16-bit images, reduced from {find_depth(largest)} bits to 8: {images:,}"
    return f"{note} (their largest value is {largest:,})"


def to_deep_grey(image: Image.Image) -> Image.Image:
    """Return an image of whole numbers with 16 bits; raises ValueError if one does not fit."""
    values = np.asarray(image).astype(np.int64)
    if values.min() < 0 or values.max() > _MAX_VALUE:
        span = f"{values.min():,} to {values.max():,}"
        raise ValueError(f"values of {span} do not fit into 16 bits; save the image with 8 or 16")
    return Image.fromarray(values.astype(np.uint16))


def find_largest_value(deep: Image.Image) -> int:
    """Return the largest value in a deep image."""
    return int(np.asarray(deep).max())


def reduce_depth(deep: Image.Image, bits: int) -> Image.Image:
    """Return a deep image of at most `bits` bits with 8 bits, mode L."""
    return Image.fromarray((np.asarray(deep) >> (bits - 8)).clip(max=_MAX_BYTE).astype(np.uint8))


def has_deep_colours(image: ImageFile) -> bool:
    """Return whether a colour image, opened but not yet loaded, has 16 bits a channel."""
    # What Pillow unpacks, such as RGB;16B. For a PPM file it is ("RGB", the largest value).
    layout = image.tile[0].args if image.tile else ""
    if image.format == "PPM" and isinstance(layout, tuple):
        return image.mode == "RGB" and int(layout[1]) > _MAX_BYTE
    return image.mode in {"RGB", "RGBA"} and ";16" in str(layout)


def read_deep_colours(data: bytes) -> Image.Image:
    """Return a whole colour image, grey with 16 bits; Pillow keeps 8 bits of a channel only."""
    import cv2

    cv2.utils.logging.setLogLevel(cv2.utils.logging.LOG_LEVEL_SILENT)  # it writes to stderr
    grey = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_ANYDEPTH)
    if grey is None:
        raise ValueError("colours of 16 bits cannot be read; save the image with 8 bits")
    return Image.fromarray(grey.astype(np.uint16))
