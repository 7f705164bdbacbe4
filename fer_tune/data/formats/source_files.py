"""The files of a source, whether they lie in a folder, in a zip or alone."""

import errno
import lzma
import os
import struct
import zipfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path, PurePosixPath, PureWindowsPath
from typing import IO, NamedTuple

from fer_tune.common.errors import UserError
from fer_tune.data.formats import image_file as image_file

DATA_SUFFIXES = image_file.SUFFIXES | {".csv", ".parquet", ".zip"}
_SYSTEM_FILES = frozenset({"__MACOSX", "Thumbs.db", "desktop.ini"})
_BOMB_BYTES = 1 << 29  # fer2013.csv is half of that
_BOMB_RATIO = 100  # fer2013.csv in a zip is 3, images are 1

# What reading an entry raises where its file, or the zip around it, is broken.
# ValueError: a name that is no UTF-8; RuntimeError: a kind of packing that is not known.
READ_ERRORS = (
    *(OSError, EOFError, RuntimeError, ValueError, struct.error),
    *(zipfile.BadZipFile, zlib.error, lzma.LZMAError),
)


@dataclass(frozen=True)
class SourceFile:
    """One file: where it lies in its source, and how to open it."""

    path: PurePosixPath
    open: Callable[[], IO[bytes]]

    @property
    def suffix(self) -> str:
        return self.path.suffix.lower()

    def read_bytes(self) -> bytes:
        """All of the file. Raises one of UNREADABLE, also where it is larger than any image."""
        with self.open() as file:
            content = file.read(_BOMB_BYTES + 1)
        if len(content) > _BOMB_BYTES:
            raise OSError(errno.EFBIG, os.strerror(errno.EFBIG))
        return content


class FolderScan(NamedTuple):
    """The data files under a folder, sorted, and how many links were not followed."""

    files: list[Path]
    links: int


def scan_folder(root: Path) -> FolderScan:
    """Look through a folder.

    Hidden files and those that systems leave behind are passed over, and so is any link that
    leads out of the folder. Raises UserError for a folder that may not be read.
    """
    resolved, files, links = root.resolve(), list[Path](), 0
    for folder, folders, names in _walk_folders(root):
        links += sum((folder / name).is_symlink() for name in folders)
        for path in (folder / name for name in names):
            # A link may also lead nowhere, or in a circle, which `resolve` does not forgive.
            if path.suffix.lower() not in DATA_SUFFIXES or not path.is_file():
                continue
            if path.is_symlink() and not path.resolve().is_relative_to(resolved):
                links += 1
            else:
                files.append(path)
    return FolderScan(files, links)


def find_empty_folders(root: Path) -> list[Path]:
    """The folders under `root` without a data file and without folders in them, sorted."""
    return [
        folder
        for folder, folders, names in _walk_folders(root)
        if not folders and not any(Path(name).suffix.lower() in DATA_SUFFIXES for name in names)
    ]


def _walk_folders(root: Path) -> Iterator[tuple[Path, list[str], list[str]]]:
    """Each folder with the names of the folders and of the files in it."""
    try:
        for folder, folders, names in os.walk(root, onerror=_raise_unreadable):
            folders[:] = sorted(filter(_is_relevant, folders))
            yield Path(folder), folders, sorted(filter(_is_relevant, names))
    except RecursionError:
        raise UserError(f"{root} holds folders in folders without end; name one of them") from None


@contextmanager
def open_source(path: Path) -> Iterator[list[SourceFile]]:
    """The data files of a folder, a zip or a lone file."""
    if path.is_dir():
        yield [
            SourceFile(PurePosixPath(*file.relative_to(path).parts), _make_opener(file))
            for file in scan_folder(path).files
        ]
    elif zipfile.is_zipfile(path):
        with _open_archive(path, path.name) as entries:
            yield entries
    else:
        yield [SourceFile(PurePosixPath(path.name), _make_opener(path))]


@contextmanager
def open_nested_zip(zip_file: SourceFile) -> Iterator[list[SourceFile]]:
    """The data files of a zip that lies in a folder."""
    with zip_file.open() as file, _open_archive(file, zip_file.path.name) as entries:
        yield entries


@contextmanager
def _open_archive(file: Path | IO[bytes], name: str) -> Iterator[list[SourceFile]]:
    try:
        archive = zipfile.ZipFile(file)
    except READ_ERRORS as error:
        raise UserError(f"{name} is not a whole zip file ({error})") from None
    with archive:
        # Not is_dir(), which fails on a name that is empty.
        members = [info for info in archive.infolist() if not info.filename.endswith("/")]
        _refuse_unsafe(members, archive, name)
        yield [
            SourceFile(PurePosixPath(info.filename), _make_member_opener(archive, info))
            for info in members
            if all(map(_is_relevant, PurePosixPath(info.filename).parts))
            and PurePosixPath(info.filename).suffix.lower() in DATA_SUFFIXES
        ]


def _refuse_unsafe(members: list[zipfile.ZipInfo], archive: zipfile.ZipFile, name: str) -> None:
    for info in members:
        # Read as a Windows path, which knows both separators and drive letters.
        path = PureWindowsPath(info.orig_filename)
        if path.anchor or ".." in path.parts:
            raise UserError(f"{name} holds a path outside itself ({info.filename}); not opened")
        if info.flag_bits & 0x1:
            raise UserError(f"{name} is encrypted ({info.filename}); unpack it first")
    unpacked = sum(info.file_size for info in members)
    assert archive.fp is not None
    packed = archive.fp.seek(0, os.SEEK_END)
    if unpacked > max(_BOMB_BYTES, _BOMB_RATIO * packed):
        raise UserError(
            f"{name} would unpack from {packed:,} to {unpacked:,} bytes, which no zip of faces "
            "does; not opened"
        )


def _make_opener(path: Path) -> Callable[[], IO[bytes]]:
    return lambda: path.open("rb")


def _make_member_opener(archive: zipfile.ZipFile, info: zipfile.ZipInfo) -> Callable[[], IO[bytes]]:
    return lambda: archive.open(info)


def _is_relevant(name: str) -> bool:
    return not name.startswith(".") and name not in _SYSTEM_FILES


def _raise_unreadable(error: OSError) -> None:
    raise UserError(f"{error.filename} cannot be read: {error.strerror}")
