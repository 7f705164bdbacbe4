"""One process at a time."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock, Timeout

from fer_tune.common.errors import UserError

LOCK = ".lock"  # of a study, in its folder

_LOCK_NAME = re.compile(r"\.lock|\.retrain-\d+-\d+\.lock")


def is_lock(name: str) -> bool:
    """Whether a file of this name in a study's folder is the lock of the study or a retraining."""
    return _LOCK_NAME.fullmatch(name) is not None


@contextmanager
def hold_lock(file: Path, task: str, *, wait: bool = False) -> Iterator[None]:
    """Hold `file` for this process; the lock goes with the process, however it ends.

    file: made with its folder, and left there.
    what: runs under the lock, for people.
    wait: until no other process holds it. Raises UserError where one does, otherwise.
    """
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        lock = FileLock(file)
        lock.acquire(timeout=-1 if wait else 0)
    except Timeout:
        raise UserError(f"{task} is running already, in another process; wait or stop it") from None
    except OSError as error:
        raise UserError(f"{file.parent} cannot be written: {error.strerror}") from error
    try:
        yield
    finally:
        lock.release()
