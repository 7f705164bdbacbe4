"""The files of a data set, in a folder, in a zip or alone."""

import errno
import lzma
import os
import struct
import zipfile
import zlib
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path, PurePosixPath, PureWindowsPath
from typing import IO, NamedTuple

from fer_tune.common.errors import UserError
from fer_tune.data.formats.folder_scan import is_system_name, scan_folder
from fer_tune.data.formats.identify_file import (
    HEAD_BYTES,
    add_advice,
    detect_content,
    detect_zip_kind,
)

# Limits for decompression bombs.
_BOMB_BYTES = 1 << 29  # fer2013.csv has half of that
_BOMB_RATIO = 100  # compression of fer2013.csv is 3, that of images 1
_PACKINGS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA)

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

    def read_head(self) -> bytes:
        """Return the first bytes, which say what the file is; raises one of READ_ERRORS."""
        with self.open() as file:
            return file.read(HEAD_BYTES)

    def identify(self) -> str | None:
        """Return what the file is, or None if it is of no known kind."""
        with suppress(*READ_ERRORS):
            head = self.read_head()
            if head.startswith(b"PK"):
                with self.open() as file, zipfile.ZipFile(file) as archive:
                    return detect_zip_kind(archive.namelist()) or detect_content(head)
            return detect_content(head)
        return None


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

    Raises UserError if it is broken, encrypted, packed in an unknown way or dangerous to unpack.
    """
    try:
        archive = zipfile.ZipFile(file)
    except READ_ERRORS as error:
        reason = f"{name} is a broken zip file ({error})"
        raise UserError(f"{reason}; download it again, or unpack it first") from None
    with archive:
        # Programs for Windows may separate folders by backslashes.
        paths = [(info, info.filename.replace("\\", "/")) for info in archive.infolist()]
        # Not is_dir(), which fails for an empty name.
        members = [(info, PurePosixPath(path)) for info, path in paths if not path.endswith("/")]
        _refuse_unsafe([info for info, _ in members], archive, name)
        if kind := detect_zip_kind([str(path) for _, path in members]):
            raise UserError(f"{name} is {add_advice(kind)}")
        yield [
            OpenableFile(path, partial(archive.open, info))
            for info, path in members
            if not any(map(is_system_name, path.parts))
        ]


def _refuse_unsafe(members: list[zipfile.ZipInfo], archive: zipfile.ZipFile, name: str) -> None:
    for info in members:
        # A Windows path knows both separators and drive letters.
        path = PureWindowsPath(info.orig_filename)
        if path.anchor or ".." in path.parts:
            raise UserError(f"{name} has a path outside itself ({info.filename}); not opened")
        if info.flag_bits & 0x1:
            raise UserError(f"{name} is encrypted ({info.filename}); unpack it first")
        if info.compress_type not in _PACKINGS:
            raise UserError(
                f"{name} is packed by a method that Python does not know, such as deflate64 "
                f"({info.filename}); unpack it first"
            )
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
