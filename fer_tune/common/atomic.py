"""Files that are there whole or not at all."""

import os
import re
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

PARTIAL_SUFFIX = ".part"  # ends the name of what is not whole yet
_PART_NAME = re.compile(r".+\.\d+-[0-9a-f]{8}\.part", re.DOTALL)


def name_part(name: str) -> str:
    """Return a name for what this process has not finished of `name`; nobody else uses it."""
    return f"{name}.{os.getpid()}-{secrets.token_hex(4)}{PARTIAL_SUFFIX}"


def is_part(name: str) -> bool:
    """Whether `name_part` made this name, in this process or in another."""
    return _PART_NAME.fullmatch(name) is not None


@contextmanager
def open_file(path: Path, *, private: bool = False) -> Iterator[BinaryIO]:
    """A file to write, which is at `path` when the context ends well; makes the folders above.

    private: for its owner only.
    Raises OSError, and then leaves whatever was at `path` before.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(name_part(path.name))
    descriptor = os.open(part, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600 if private else 0o666)
    try:
        with os.fdopen(descriptor, "wb") as file:
            yield file
        part.replace(path)
    except BaseException:
        part.unlink(missing_ok=True)
        raise


def write_file(path: Path, content: bytes | memoryview, *, private: bool = False) -> None:
    """Write `content` to `path`, as `open_file` does."""
    with open_file(path, private=private) as file:
        file.write(content)
