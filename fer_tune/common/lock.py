"""Locks between processes."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock, Timeout

from fer_tune.common.errors import UserError, explain_os_errors

LOCK = ".lock"  # the name of a folder's own lock; the names of other locks end with it


def is_lock_name(name: str) -> bool:
    """Return whether a file of this name is a lock: hidden, with the ending of locks."""
    return name.startswith(".") and name.endswith(LOCK)


@contextmanager
def hold_lock(file: Path, task: str, *, wait: bool = False) -> Iterator[None]:
    """Hold the lock `file` for this process until the context, or the process, ends.

    file: created with its folder, and not deleted.
    task: what runs under the lock, for the error message.
    wait: until no other process holds the lock. Without it, raises UserError if one does.
    """
    advice = "use a copy, or another folder, that you can write to"
    with explain_os_errors(f"{file.parent} cannot be written", advice):
        file.parent.mkdir(parents=True, exist_ok=True)
        try:
            lock = FileLock(file).acquire(timeout=-1 if wait else 0)
        except Timeout:
            message = f"{task} is running already, in another process; wait or stop it"
            raise UserError(message) from None
    with lock:
        yield
