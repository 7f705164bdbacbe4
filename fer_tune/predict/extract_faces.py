"""The faces in image files of any size."""

import glob
import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from fer_tune.common.errors import UserError
from fer_tune.data.formats import image_file
from fer_tune.data.formats.folder_scan import describe_skipped_files, is_system_name
from fer_tune.data.formats.open_folder_or_zip import SourceFiles, open_source

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
    detect = _load_cascade().detectMultiScale
    boxes = detect(np.asarray(photo), _SCALE_FACTOR, _MIN_NEIGHBORS, minSize=smallest)
    return sorted(FaceBox(*(int(value / scale) for value in box[:3])) for box in boxes)


@cache
def _load_cascade() -> "cv2.CascadeClassifier":
    import cv2
    import cv2.data

    return cv2.CascadeClassifier(str(Path(cv2.data.haarcascades, _CASCADE)))


_MAX_CROPPED_PIXELS = 128  # a square image no larger is a cropped face, as data sets have them

FaceOrigin = Literal["found", "small square", "no face found"]


class Photo(NamedTuple):
    """An image file: its name for people, and how to read it."""

    file: str
    read: Callable[[], bytes]


class UnreadableFile(NamedTuple):
    """A file that cannot be read, and why, in a few words."""

    file: str
    why: str


class PhotoFiles(NamedTuple):
    """The images of one command, readable while it is in their context.

    unreadable: files that are missing or cannot be read.
    notes: sentences on links, and on files of folders and zips that are no images.
    """

    photos: list[Photo]
    unreadable: list[UnreadableFile]
    notes: list[str]


@dataclass(frozen=True, eq=False)
class PhotoFace:
    """A face in a photograph, converted like the faces of a study.

    image: (48, 48) uint8.
    origin: `found` by the detector; the other values say why the whole image is the face.
    box: square of the photograph with the face; None for a whole image.
    """

    file: str
    image: NDArray[np.uint8]
    origin: FaceOrigin
    box: FaceBox | None = None


@contextmanager
def open_photos(paths: Sequence[Path]) -> Iterator[PhotoFiles]:
    """Open images.

    paths: files, folders or zips with any number of images, or patterns such as *.jpg.
    """
    photos, unreadable, notes = list[Photo](), list[UnreadableFile](), list[str]()
    with ExitStack() as stack:
        for path in (match for pattern in paths for match in _expand_pattern(pattern)):
            try:
                if not (path.is_file() or path.is_dir()):
                    raise UserError("there is no such file or folder")
                photos += _list_photos(path, stack.enter_context(open_source(path)), notes)
            except (UserError, OSError) as error:
                reason = (isinstance(error, OSError) and error.strerror) or str(error)
                unreadable.append(UnreadableFile(str(path), reason))
        yield PhotoFiles(photos, unreadable, notes)


def _expand_pattern(path: Path) -> list[Path]:
    if os.path.lexists(path):  # even if its name looks like a pattern
        return [path]
    # Not Path.glob, which takes no absolute patterns.
    matches = sorted(map(Path, glob.glob(str(path), recursive=True)))  # noqa: PTH207
    if "**" in path.parts:  # matches the files in the folders too
        matches = [match for match in matches if not match.is_dir()]
    matches = [m for m in matches if not any(map(is_system_name, {*m.parts} - {*path.parts}))]
    return matches or [path]


def _list_photos(path: Path, source: SourceFiles, notes: list[str]) -> list[Photo]:
    files = source.files
    if source.is_single:
        return [Photo(str(path), files[0].read_bytes)]
    images = [file for file in files if file.suffix in image_file.SUFFIXES]
    others = [file.path for file in files if file.suffix not in image_file.SUFFIXES]
    own_notes = [*source.notes, *describe_skipped_files(others)]
    if not images:
        raise UserError("; ".join(["it contains no images", *own_notes]))
    notes += [f"{path}: {note}" for note in own_notes]
    return [Photo(f"{path}/{file.path}", file.read_bytes) for file in images]


def extract_all_faces(files: PhotoFiles) -> list[PhotoFace]:
    """Return the faces in all photographs; adds those that cannot be read to `unreadable`.

    Deep images are read again when all photographs have shown their depth.
    """
    photos, unreadable, notes = files
    faces, deep, largest = dict[int, list[PhotoFace]](), list[int](), 0

    def read_images(numbers: Iterable[int]) -> Iterator[tuple[int, Image.Image]]:
        for number in numbers:
            try:
                yield number, image_file.decode_grey_image(photos[number].read())[0]
            except image_file.BrokenImageError as error:
                unreadable.append(UnreadableFile(photos[number].file, str(error)))

    for number, grey in read_images(range(len(photos))):
        if image_file.is_deep(grey):
            largest = max(largest, int(np.asarray(grey).max()))
            deep.append(number)
        else:
            faces[number] = extract_faces(photos[number].file, grey)
    depth = image_file.find_depth(largest)
    for number, grey in read_images(deep):
        faces[number] = extract_faces(photos[number].file, image_file.reduce_depth(grey, depth))
    if deep:
        notes.append(image_file.describe_depth(len(deep), largest))
    return [face for number in sorted(faces) for face in faces[number]]


def extract_faces(file: str, grey: Image.Image) -> list[PhotoFace]:
    """Return the faces in a grey photograph (mode L), at least one.

    A small square image is a face, and so is an image without a detected face.
    """
    is_cropped = grey.width == grey.height <= _MAX_CROPPED_PIXELS
    boxes = [] if is_cropped else detect_faces(grey)
    if not boxes:
        origin: FaceOrigin = "small square" if is_cropped else "no face found"
        return [PhotoFace(file, image_file.resize_to_face(grey), origin)]
    crops = [grey.crop((box.x, box.y, box.x + box.side, box.y + box.side)) for box in boxes]
    return [
        PhotoFace(file, image_file.resize_to_face(crop), "found", box)
        for crop, box in zip(crops, boxes, strict=True)
    ]
