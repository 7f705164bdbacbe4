"""The files of a data set, in a folder, in a zip or alone."""

import errno
import lzma
import os
import struct
import zipfile
import zlib
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path, PurePosixPath, PureWindowsPath
from typing import IO, NamedTuple

from fer_tune.common.errors import UserError
from fer_tune.data.formats.folder_scan import is_system_name, scan_folder

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


class SourceFiles(NamedTuple):
    """The files of a folder, a zip or a single file, without those that systems leave behind.

    empty_folders: folders with neither data files nor folders in them.
    notes: sentences on the links of a folder.
    """

    files: list[OpenableFile]
    empty_folders: Sequence[Path] = ()
    notes: Sequence[str] = ()


@contextmanager
def open_source(path: Path) -> Iterator[SourceFiles]:
    """Open a folder, a zip or a single file."""
    if path.is_dir():
        files, empty_folders, notes = scan_folder(path)
        openable = [
            OpenableFile(PurePosixPath(*file.relative_to(path).parts), _make_opener(file))
            for file in files
        ]
        yield SourceFiles(openable, [folder.relative_to(path) for folder in empty_folders], notes)
    elif zipfile.is_zipfile(path):
        with open_zip(path, path.name) as members:
            yield SourceFiles(members)
    else:
        yield SourceFiles([OpenableFile(PurePosixPath(path.name), _make_opener(path))])


@contextmanager
def open_zip(file: Path | IO[bytes], name: str) -> Iterator[list[OpenableFile]]:
    """Open a zip; yields its files without those that systems leave behind.

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
            if not any(map(is_system_name, PurePosixPath(info.filename).parts))
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
