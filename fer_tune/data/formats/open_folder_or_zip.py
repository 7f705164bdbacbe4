"""The files of a data set, in a folder, in a zip or alone."""

import lzma
import os
import struct
import zipfile
import zlib
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path, PurePosixPath
from typing import IO, NamedTuple

from fer_tune.common.errors import UserError
from fer_tune.data.formats.folder_scan import has_data_suffix, is_system_name, scan_folder
from fer_tune.data.formats.identify_file import HEAD_BYTES, check_content, check_zip_members
from fer_tune.data.formats.image_file import BrokenImageError

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
        """Return the content of an image file.

        Raises BrokenImageError if it cannot be read, or if it is larger than any image.
        """
        try:
            with self.open() as file:
                content = file.read(_BOMB_BYTES + 1)
        except READ_ERRORS as error:
            reason = getattr(error, "strerror", None) or error  # without the path
            raise BrokenImageError(f"cannot be read ({reason})") from None
        if len(content) > _BOMB_BYTES:
            raise BrokenImageError("larger than any image")
        return content

    def read_head(self) -> bytes:
        """Return the first bytes, which say what the file is; raises one of READ_ERRORS."""
        with self.open() as file:
            return file.read(HEAD_BYTES)


class SourceFiles(NamedTuple):
    """The files of a folder, a zip or a single file, without those that systems leave behind.

    notes: sentences on the empty folders and the links of a folder.
    """

    files: list[OpenableFile]
    notes: Sequence[str] = ()
    is_single: bool = False


@contextmanager
def open_source(path: Path) -> Iterator[SourceFiles]:
    """Open a folder, a zip or a single file."""
    if path.is_dir():
        files, notes = scan_folder(path)
        yield SourceFiles([_make_openable(file, file.relative_to(path)) for file in files], notes)
        return
    file = _make_openable(path, Path(path.name))
    if file.suffix == ".zip" or zipfile.is_zipfile(path):
        with open_zip(file) as members:
            yield SourceFiles(members)
    else:
        yield SourceFiles([file], is_single=True)


def _make_openable(path: Path, name: Path) -> OpenableFile:
    return OpenableFile(PurePosixPath(*name.parts), lambda: path.open("rb"))


@contextmanager
def open_zip(file: OpenableFile) -> Iterator[list[OpenableFile]]:
    """Open a zip; yields its files without those that systems leave behind.

    Raises UserError if it is broken, encrypted, packed in an unknown way, dangerous to unpack or no
    data set.
    """
    name = str(file.path)
    if not (head := file.read_head()).startswith(b"PK"):
        check_content(head, name)
    with file.open() as content:
        try:
            archive = zipfile.ZipFile(content)
        except READ_ERRORS as error:
            reason = f"{name} is a broken zip file ({error})"
            raise UserError(f"{reason}; download it again, or unpack it first") from None
        # Not is_dir(), which fails for an empty name. Programs for Windows may write backslashes.
        members = [info for info in archive.infolist() if not info.filename.endswith(("/", "\\"))]
        _check_packing(members, content.seek(0, os.SEEK_END), name)
        paths = [PurePosixPath(info.filename.replace("\\", "/")) for info in members]
        if not any(map(has_data_suffix, paths)):
            check_zip_members(list(map(str, paths)), name)
        yield [
            OpenableFile(path, partial(archive.open, info))
            for path, info in zip(paths, members, strict=True)
            if not any(map(is_system_name, path.parts))
        ]


def _check_packing(members: list[zipfile.ZipInfo], packed: int, name: str) -> None:
    """Raise UserError if files of a zip of `packed` bytes cannot, or should not, be unpacked."""
    for info in members:
        if info.flag_bits & 0x1 or info.compress_type not in _PACKINGS:
            problem = "encrypted, or packed by a method unknown to Python, such as deflate64"
            raise UserError(f"{name} is {problem} ({info.filename}); unpack it first")
    unpacked = sum(info.file_size for info in members)
    if unpacked > max(_BOMB_BYTES, _BOMB_RATIO * packed):
        problem = f"{name} would unpack from {packed:,} to {unpacked:,} bytes"
        raise UserError(f"{problem}, more than any zip of faces; not opened")
