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
from fer_tune.data.formats import image_file as images
from fer_tune.data.formats.source_files import UNREADABLE, Entry, opened
from fer_tune.predict.face_detector import Box, find_faces

_SMALL = 128  # pixels; a square no larger is a face cut out, as data sets have them

Taken = Literal["found", "small square", "no face found"]


class Photo(NamedTuple):
    """An image file, by the name that people know it by, and how to read it."""

    file: str
    read: Callable[[], bytes]


class Unread(NamedTuple):
    """What was named and cannot be read, and why, in a few words."""

    file: str
    why: str


@dataclass(frozen=True, eq=False)
class SeenFace:
    """A face in a photograph, made as the faces of a study are.

    image: (48, 48) uint8.
    taken: `found` in the photograph; otherwise the whole image is the face, and this is why.
    box: where it was found.
    """

    file: str
    image: NDArray[np.uint8]
    taken: Taken
    box: Box | None = None


@contextmanager
def named(paths: Sequence[Path]) -> Iterator[tuple[list[Photo], list[Unread]]]:
    """The images that are meant, which can be read in this context, and what is not there.

    paths: of files, of folders and zips, of which every image counts, and patterns such as *.jpg.
    """
    photos, unread = list[Photo](), list[Unread]()
    with ExitStack() as stack:
        for path in paths:
            for each in _meant(path):
                try:
                    if not (each.is_file() or each.is_dir()):
                        raise UserError("there is no such file or folder")
                    photos += _photos(each, stack.enter_context(opened(each)))
                except (UserError, OSError) as error:
                    unread.append(Unread(str(each), _told(error)))
        yield photos, unread


def _meant(path: Path) -> list[Path]:
    if os.path.lexists(path):  # also where its name holds what patterns are made of
        return [path]
    # Not Path.glob, which takes no absolute patterns.
    meant = sorted(map(Path, glob.glob(str(path), recursive=True)))  # noqa: PTH207
    if "**" in path.parts:  # stands for what is in the folders, too
        meant = [each for each in meant if not each.is_dir()]
    return meant or [path]


def _photos(path: Path, entries: Sequence[Entry]) -> list[Photo]:
    match entries:
        case [entry] if path.is_file() and entry.path.name == path.name:
            return [Photo(str(path), entry.read)]
    found = [each for each in entries if each.suffix in images.SUFFIXES]
    if not found:
        raise UserError("no images are in it")
    return [Photo(f"{path}/{entry.path}", entry.read) for entry in found]


def faces_of(photo: Photo) -> list[SeenFace]:
    """The faces in a photograph, at least one.

    A small square image is a face, and so is one in which none is found.
    Raises images.BrokenImageError for what is no whole, sane image.
    """
    try:
        grey, _ = images.upright_grey(photo.read())
    except UNREADABLE as error:
        if isinstance(error, images.BrokenImageError):
            raise
        raise images.BrokenImageError(_told(error)) from None
    if grey.width == grey.height <= _SMALL:
        return [SeenFace(photo.file, images.as_face(grey), "small square")]
    boxes = find_faces(grey)
    if not boxes:
        return [SeenFace(photo.file, images.as_face(grey), "no face found")]
    return [SeenFace(photo.file, _cut(grey, box), "found", box) for box in boxes]


def _told(error: Exception) -> str:
    return (isinstance(error, OSError) and error.strerror) or str(error)


def _cut(grey: Image.Image, box: Box) -> NDArray[np.uint8]:
    return images.as_face(grey.crop((box.x, box.y, box.x + box.side, box.y + box.side)))
