"""Files that are there whole or not at all."""

import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

PART = ".part"  # ends the name of what is not whole yet


@contextmanager
def opened(path: Path, *, private: bool = False) -> Iterator[BinaryIO]:
    """A file to write, which is at `path` when the context ends well; makes the folders above.

    private: for its owner only.
    Raises OSError, and then leaves whatever was at `path` before.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(f"{path.name}.{os.getpid()}-{secrets.token_hex(4)}{PART}")
    descriptor = os.open(part, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600 if private else 0o666)
    try:
        with os.fdopen(descriptor, "wb") as file:
            yield file
        part.replace(path)
    except BaseException:
        part.unlink(missing_ok=True)
        raise


def write(path: Path, content: bytes | memoryview, *, private: bool = False) -> None:
    """Write `content` to `path`, as `opened` does."""
    with opened(path, private=private) as file:
        file.write(content)
