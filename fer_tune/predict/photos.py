"""The faces in image files that people name, of any size."""

import glob
import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from fer_tune.common.errors import UserError
from fer_tune.data.formats import image_file as image_file
from fer_tune.data.formats.source_files import READ_ERRORS, SourceFile, open_source
from fer_tune.predict.face_detector import FaceBox, detect_faces

_MAX_CUT_OUT_PIXELS = 128  # pixels; a square no larger is a face cut out, as data sets have them

FaceOrigin = Literal["found", "small square", "no face found"]


class Photo(NamedTuple):
    """An image file, by the name that people know it by, and how to read it."""

    file: str
    read: Callable[[], bytes]


class UnreadableFile(NamedTuple):
    """What was named and cannot be read, and why, in a few words."""

    file: str
    why: str


@dataclass(frozen=True, eq=False)
class PhotoFace:
    """A face in a photograph, made as the faces of a study are.

    image: (48, 48) uint8.
    taken: `found` in the photograph; otherwise the whole image is the face, and this is why.
    box: where it was found.
    """

    file: str
    image: NDArray[np.uint8]
    origin: FaceOrigin
    box: FaceBox | None = None


@contextmanager
def open_photos(paths: Sequence[Path]) -> Iterator[tuple[list[Photo], list[UnreadableFile]]]:
    """The images that are meant, which can be read in this context, and what is not there.

    paths: of files, of folders and zips, of which every image counts, and patterns such as *.jpg.
    """
    photos, unread = list[Photo](), list[UnreadableFile]()
    with ExitStack() as stack:
        for path in paths:
            for each in _expand_pattern(path):
                try:
                    if not (each.is_file() or each.is_dir()):
                        raise UserError("there is no such file or folder")
                    photos += _list_photos(each, stack.enter_context(open_source(each)))
                except (UserError, OSError) as error:
                    unread.append(UnreadableFile(str(each), _describe_error(error)))
        yield photos, unread


def _expand_pattern(path: Path) -> list[Path]:
    if os.path.lexists(path):  # also where its name holds what patterns are made of
        return [path]
    # Not Path.glob, which takes no absolute patterns.
    meant = sorted(map(Path, glob.glob(str(path), recursive=True)))  # noqa: PTH207
    if "**" in path.parts:  # stands for what is in the folders, too
        meant = [each for each in meant if not each.is_dir()]
    return meant or [path]


def _list_photos(path: Path, files: Sequence[SourceFile]) -> list[Photo]:
    match files:
        case [entry] if path.is_file() and entry.path.name == path.name:
            return [Photo(str(path), entry.read_bytes)]
    found = [each for each in files if each.suffix in image_file.SUFFIXES]
    if not found:
        raise UserError("no images are in it")
    return [Photo(f"{path}/{entry.path}", entry.read_bytes) for entry in found]


def extract_faces(photo: Photo) -> list[PhotoFace]:
    """The faces in a photograph, at least one.

    A small square image is a face, and so is one in which none is found.
    Raises images.BrokenImageError for what is no whole, sane image.
    """
    try:
        grey, _ = image_file.decode_grey(photo.read())
    except READ_ERRORS as error:
        if isinstance(error, image_file.BrokenImageError):
            raise
        raise image_file.BrokenImageError(_describe_error(error)) from None
    if grey.width == grey.height <= _MAX_CUT_OUT_PIXELS:
        return [PhotoFace(photo.file, image_file.resize_to_face(grey), "small square")]
    boxes = detect_faces(grey)
    if not boxes:
        return [PhotoFace(photo.file, image_file.resize_to_face(grey), "no face found")]
    return [PhotoFace(photo.file, _crop_face(grey, box), "found", box) for box in boxes]


def _describe_error(error: Exception) -> str:
    return (isinstance(error, OSError) and error.strerror) or str(error)


def _crop_face(grey: Image.Image, box: FaceBox) -> NDArray[np.uint8]:
    return image_file.resize_to_face(grey.crop((box.x, box.y, box.x + box.side, box.y + box.side)))
