"""Folders on a disk or in a bucket, whose files are written completely or not at all."""

import shutil
from contextlib import suppress
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from fer_tune.common import atomic


@dataclass(frozen=True)
class DiskDirectory:
    """A folder on a disk of this machine, or on one that machines share.

    It need not exist. If it cannot be reached, every call raises OSError.
    """

    path: Path

    def __str__(self) -> str:
        return str(self.path)

    def __truediv__(self, name: str) -> "DiskDirectory":
        return DiskDirectory(self.path / name)

    def read(self, name: str) -> bytes:
        """Return the content of a file. Raises FileNotFoundError if there is no such file."""
        return (self.path / name).read_bytes()

    def write(self, name: str, content: bytes | memoryview, *, private: bool = False) -> None:
        """Write a file, and create the folder.

        private: let only its owner read the file; without effect in a bucket.
        """
        atomic.write_file(self.path / name, content, private=private)

    def list_names(self) -> list[str]:
        """Return the names of its files and folders, sorted."""
        return sorted(path.name for path in self.path.iterdir()) if self.path.exists() else []

    def delete(self, name: str) -> None:
        """Delete one file, or a folder with all that it contains, if it exists."""
        path = self.path / name
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path)
        else:
            path.unlink(missing_ok=True)

    def delete_if_empty(self) -> None:
        """Delete the folder itself, if it is empty."""
        with suppress(OSError):  # it is not empty, or does not exist
            self.path.rmdir()


@dataclass(frozen=True)
class BucketDirectory:
    """A prefix in a bucket, reached through pyarrow, with the methods of `DiskDirectory`.

    Keys and endpoint are in the usual environment variables: AWS_ACCESS_KEY_ID,
    AWS_SECRET_ACCESS_KEY, AWS_REGION, and AWS_ENDPOINT_URL for a store that is not Amazon's.
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
        # Without a buffer: after an error between two buffers, a truncated file would remain.
        files, path = self._open_filesystem()
        with files.open_output_stream(f"{path}/{name}", buffer_size=0) as file:
            file.write(content)

    def list_names(self) -> list[str]:
        from pyarrow.fs import FileSelector

        files, path = self._open_filesystem()
        entries = files.get_file_info(FileSelector(path, allow_not_found=True))
        return sorted(entry.base_name for entry in entries)

    def delete(self, name: str) -> None:
        from pyarrow.fs import FileType

        files, path = (self / name)._open_filesystem()
        if files.get_file_info(path).type == FileType.File:
            files.delete_file(path)
        with suppress(FileNotFoundError):
            files.delete_dir(path)

    def delete_if_empty(self) -> None:
        if not self.list_names():  # pyarrow leaves an empty object as a mark of the folder
            self.delete("")

    def copy_to(self, other: "BucketDirectory") -> None:
        """Copy all files to another folder in the same bucket."""
        from pyarrow.fs import copy_files

        files, path = self._open_filesystem()
        copy_files(path, other._open_filesystem()[1], files, files)

    def _open_filesystem(self) -> tuple[Any, str]:
        scheme, _, rest = self.address.partition("://")
        bucket, _, prefix = rest.partition("/")
        files, root = _open_bucket(scheme, bucket)
        return files, f"{root}/{prefix}".rstrip("/")


Directory = DiskDirectory | BucketDirectory


def open_directory(address: str) -> Directory:
    """Return the folder with this path, or with an address such as s3://bucket/prefix."""
    return BucketDirectory(address) if is_bucket(address) else DiskDirectory(Path(address))


def is_bucket(address: str) -> bool:
    """Return whether `address` is the address of a bucket, not a path."""
    return "://" in address


def delete_partial_files(folder: Directory) -> None:
    """Delete files and folders with a partial name (`atomic.is_partial_name`).

    Killed processes leave them. Nobody may be writing to the folder.
    """
    for name in filter(atomic.is_partial_name, folder.list_names()):
        with suppress(OSError):
            folder.delete(name)


@cache
def _open_bucket(scheme: str, bucket: str) -> tuple[Any, str]:
    from pyarrow import fs

    try:
        files, root = fs.FileSystem.from_uri(f"{scheme}://{bucket}")
    except ValueError as error:  # an unknown scheme, or no bucket
        raise OSError(str(error)) from error
    return files, root
