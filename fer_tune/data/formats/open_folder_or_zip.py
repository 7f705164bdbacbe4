"""The files of a data set, in a folder, in a zip or alone."""

import errno
import lzma
import os
import struct
import zipfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path, PurePosixPath, PureWindowsPath
from typing import IO, NamedTuple

from fer_tune.common.errors import UserError
from fer_tune.data.formats.image_file import SUFFIXES

DATA_SUFFIXES = SUFFIXES | {".csv", ".parquet", ".zip"}
_SYSTEM_FILES = frozenset({"__MACOSX", "Thumbs.db", "desktop.ini"})
# Limits for decompression bombs.
_BOMB_BYTES = 1 << 29  # fer2013.csv has half of that
_BOMB_RATIO = 100  # compression of fer2013.csv is 3, that of images 1

# What reading a file raises if it, or the zip around it, is broken.
# ValueError: a name that is not UTF-8; RuntimeError: an unknown kind of compression.
READ_ERRORS = (
    *(OSError, EOFError, RuntimeError, ValueError, struct.error),
    *(zipfile.BadZipFile, zlib.error, lzma.LZMAError),
)


@dataclass(frozen=True)
class OpenableFile:
    """One file of a data set: its path inside the data set, and how to open it."""

    path: PurePosixPath
    open: Callable[[], IO[bytes]]

    @property
    def suffix(self) -> str:
        return self.path.suffix.lower()

    def read_bytes(self) -> bytes:
        """Return the content; raises one of READ_ERRORS, also if it is larger than any image."""
        with self.open() as file:
            content = file.read(_BOMB_BYTES + 1)
        if len(content) > _BOMB_BYTES:
            raise OSError(errno.EFBIG, os.strerror(errno.EFBIG))
        return content


class FolderScan(NamedTuple):
    """The data files under a folder, sorted, and the number of links not followed."""

    files: list[Path]
    links: int


def scan_folder(root: Path) -> FolderScan:
    """Return the data files under `root`.

    Hidden files, files that systems leave behind and links out of the folder are ignored.

    Raises UserError if a folder cannot be read.
    """
    resolved, files, links = root.resolve(), list[Path](), 0
    for folder, folders, names in _walk_folders(root):
        links += sum((folder / name).is_symlink() for name in folders)
        for path in (folder / name for name in names):
            # First is_file(): a link may lead nowhere or in a circle, and then `resolve` raises.
            if path.suffix.lower() not in DATA_SUFFIXES or not path.is_file():
                continue
            if path.is_symlink() and not path.resolve().is_relative_to(resolved):
                links += 1
            else:
                files.append(path)
    return FolderScan(files, links)


def find_empty_folders(root: Path) -> list[Path]:
    """Return the folders under `root` with neither data files nor folders in them, sorted."""
    return [
        folder
        for folder, folders, names in _walk_folders(root)
        if not folders and not any(Path(name).suffix.lower() in DATA_SUFFIXES for name in names)
    ]


def _walk_folders(root: Path) -> Iterator[tuple[Path, list[str], list[str]]]:
    """Yield each folder with the names of its folders and files."""
    try:
        for folder, folders, names in os.walk(root, onerror=_raise_unreadable):
            folders[:] = sorted(filter(_is_relevant, folders))
            yield Path(folder), folders, sorted(filter(_is_relevant, names))
    except RecursionError:
        raise UserError(f"{root} holds too many nested folders; name one of them") from None


@contextmanager
def open_source(path: Path) -> Iterator[list[OpenableFile]]:
    """Open a folder, a zip or a single file; yields its data files."""
    if path.is_dir():
        yield [
            OpenableFile(PurePosixPath(*file.relative_to(path).parts), _make_opener(file))
            for file in scan_folder(path).files
        ]
    elif zipfile.is_zipfile(path):
        with open_zip(path, path.name) as members:
            yield members
    else:
        yield [OpenableFile(PurePosixPath(path.name), _make_opener(path))]


@contextmanager
def open_zip(file: Path | IO[bytes], name: str) -> Iterator[list[OpenableFile]]:
    """Open a zip; yields its data files.

    Raises UserError if it is broken, encrypted or dangerous to unpack.
    """
    try:
        archive = zipfile.ZipFile(file)
    except READ_ERRORS as error:
        raise UserError(f"{name} is a broken zip file ({error})") from None
    with archive:
        # Not is_dir(), which fails for an empty name.
        members = [info for info in archive.infolist() if not info.filename.endswith("/")]
        _refuse_unsafe(members, archive, name)
        yield [
            OpenableFile(PurePosixPath(info.filename), partial(archive.open, info))
            for info in members
            if all(map(_is_relevant, PurePosixPath(info.filename).parts))
            and PurePosixPath(info.filename).suffix.lower() in DATA_SUFFIXES
        ]


def _refuse_unsafe(members: list[zipfile.ZipInfo], archive: zipfile.ZipFile, name: str) -> None:
    for info in members:
        # A Windows path knows both separators and drive letters.
        path = PureWindowsPath(info.orig_filename)
        if path.anchor or ".." in path.parts:
            raise UserError(f"{name} has a path outside itself ({info.filename}); not opened")
        if info.flag_bits & 0x1:
            raise UserError(f"{name} is encrypted ({info.filename}); unpack it first")
    unpacked = sum(info.file_size for info in members)
    assert archive.fp is not None
    packed = archive.fp.seek(0, os.SEEK_END)
    if unpacked > max(_BOMB_BYTES, _BOMB_RATIO * packed):
        raise UserError(
            f"{name} would unpack from {packed:,} to {unpacked:,} bytes, more than any zip of "
            "faces; not opened"
        )


def _make_opener(path: Path) -> Callable[[], IO[bytes]]:
    return lambda: path.open("rb")


def _is_relevant(name: str) -> bool:
    return not name.startswith(".") and name not in _SYSTEM_FILES


def _raise_unreadable(error: OSError) -> None:
    raise UserError(f"{error.filename} cannot be read: {error.strerror}")
