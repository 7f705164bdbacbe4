"""Folders on a disk or in a bucket, of files that are there whole or not at all."""

import shutil
from contextlib import suppress
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from fer_tune.common import atomic

if TYPE_CHECKING:
    from pyarrow.fs import FileInfo, FileSystem


class Directory(Protocol):
    """A folder, which need not exist. Where it cannot be reached, every call raises OSError."""

    def __truediv__(self, name: str) -> "Directory": ...

    def read(self, name: str) -> bytes:
        """Raises FileNotFoundError where there is no such file."""

    def write(self, name: str, content: bytes | memoryview, *, private: bool = False) -> None:
        """Make the folder too. private: for its owner only, where the place knows owners."""

    def list_names(self) -> list[str]:
        """Of the files and folders in it, sorted."""

    def delete(self, name: str) -> None:
        """Delete one file, if it is there."""

    def delete_if_empty(self) -> None:
        """Delete the folder itself, if nothing is in it."""

    def delete_parts(self, *, deep: bool = False) -> None:
        """Delete what killed processes did not finish, known by its name (`atomic.is_part`).

        Of a folder with such a name, delete the content too. Nobody may be writing here.
        deep: also in the folders below, on a disk; a bucket holds no file that is not whole.
        """


def open_directory(address: str) -> Directory:
    """A folder by its path, or by an address such as s3://bucket/prefix."""
    return BucketDirectory(address) if is_bucket(address) else DiskDirectory(Path(address))


def is_bucket(address: str) -> bool:
    """Whether `address` is of a bucket, not a path."""
    return "://" in address


@dataclass(frozen=True)
class DiskDirectory:
    """A folder on a disk of this machine, or on one that machines share."""

    path: Path

    def __str__(self) -> str:
        return str(self.path)

    def __truediv__(self, name: str) -> "DiskDirectory":
        return DiskDirectory(self.path / name)

    def read(self, name: str) -> bytes:
        return (self.path / name).read_bytes()

    def write(self, name: str, content: bytes | memoryview, *, private: bool = False) -> None:
        atomic.write_file(self.path / name, content, private=private)

    def list_names(self) -> list[str]:
        return sorted(each.name for each in self.path.iterdir()) if self.path.exists() else []

    def delete(self, name: str) -> None:
        (self.path / name).unlink(missing_ok=True)

    def delete_if_empty(self) -> None:
        with suppress(OSError):  # something is in it, or it is not there
            self.path.rmdir()

    def delete_parts(self, *, deep: bool = False) -> None:
        pattern = f"*{atomic.PARTIAL_SUFFIX}"
        found = list(self.path.rglob(pattern) if deep else self.path.glob(pattern))
        for part in filter(lambda path: atomic.is_part(path.name), found):
            if part.is_dir() and not part.is_symlink():
                shutil.rmtree(part, ignore_errors=True)
            else:
                part.unlink(missing_ok=True)


@dataclass(frozen=True)
class BucketDirectory:
    """A prefix in a bucket, by the address that pyarrow takes.

    The keys, and the endpoint of a store that is not Amazon's, are in the usual variables of the
    environment: AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY, AWS_ENDPOINT_URL, AWS_REGION.
    """

    address: str

    def __str__(self) -> str:
        return self.address

    def __truediv__(self, name: str) -> "BucketDirectory":
        return BucketDirectory(f"{self.address.rstrip('/')}/{name}")

    def read(self, name: str) -> bytes:
        files, path = self._open_filesystem()
        with files.open_input_file(f"{path}/{name}") as file:
            return bytes(file.read())

    def write(self, name: str, content: bytes | memoryview, *, private: bool = False) -> None:
        # At once: what is written in parts is kept, cut off, where an error comes between.
        files, path = self._open_filesystem()
        with files.open_output_stream(f"{path}/{name}", buffer_size=0) as file:
            file.write(content)

    def list_names(self) -> list[str]:
        return sorted(each.base_name for each in self._infos())

    def delete(self, name: str) -> None:
        files, path = self._open_filesystem()
        with suppress(FileNotFoundError):
            files.delete_file(f"{path}/{name}")

    def delete_if_empty(self) -> None:
        if not self.list_names():  # pyarrow leaves an empty object as a mark of the folder
            self._delete_all()

    def delete_parts(self, *, deep: bool = False) -> None:
        for each in self._infos():
            if not each.is_file and atomic.is_part(each.base_name):
                (self / each.base_name)._delete_all()

    def _infos(self) -> "list[FileInfo]":
        from pyarrow.fs import FileSelector

        files, path = self._open_filesystem()
        return list(files.get_file_info(FileSelector(path, allow_not_found=True)))

    def _delete_all(self) -> None:
        files, path = self._open_filesystem()
        with suppress(FileNotFoundError):
            files.delete_dir(path)

    def _open_filesystem(self) -> "tuple[FileSystem, str]":
        scheme, rest = self.address.split("://", 1)
        bucket, _, prefix = rest.partition("/")
        files, root = _open_bucket(scheme, bucket)
        return files, f"{root}/{prefix}".rstrip("/")


@cache
def _open_bucket(scheme: str, bucket: str) -> "tuple[FileSystem, str]":
    from pyarrow import fs

    try:
        files, root = fs.FileSystem.from_uri(f"{scheme}://{bucket}")
    except ValueError as error:  # an unknown scheme, no bucket
        raise OSError(str(error)) from error
    return files, root
