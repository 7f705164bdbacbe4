"""Files that are written completely or not at all."""

import errno
import os
import re
import secrets
from contextlib import suppress
from pathlib import Path

_PARTIAL_NAME = re.compile(r".+\.\d+-[0-9a-f]{8}\.part", re.DOTALL)


def make_partial_name(name: str) -> str:
    """Return a name for the partial file or folder `name`, which no other process uses."""
    return f"{name}.{os.getpid()}-{secrets.token_hex(4)}.part"


def is_partial_name(name: str) -> bool:
    """Return whether this or another process made the name with `make_partial_name`."""
    return _PARTIAL_NAME.fullmatch(name) is not None


def write_file(path: Path, content: bytes | memoryview, *, private: bool = False) -> None:
    """Write `content` to a partial file, and rename it to `path`.

    The folders above are created. After an error, the earlier file at `path` is unchanged.

    private: let only its owner read the file.
    Raises OSError if the file cannot be written.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(make_partial_name(path.name))
    mode = 0o600 if private else 0o666
    descriptor = os.open(partial, os.O_CREAT | os.O_EXCL | os.O_WRONLY, mode)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(content)
        move_to_final_path(partial, path)
    except BaseException:
        partial.unlink(missing_ok=True)
        raise


def move_to_final_path(partial: Path, path: Path) -> None:
    """Rename a complete file to `path`, so that a loss of power leaves one of the two files whole.

    Raises OSError if the file cannot be written to the disk.
    """
    _write_to_disk(partial)
    partial.replace(path)
    with suppress(OSError):  # a folder may be closed to readers
        _write_to_disk(path.parent)


def _write_to_disk(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    except OSError as error:
        # Not every file system can do this, and not every system for a file opened to be read.
        if error.errno not in (errno.EINVAL, errno.ENOTSUP, errno.ENOSYS, errno.EBADF):
            raise
    finally:
        os.close(descriptor)
