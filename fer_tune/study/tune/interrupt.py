"""A study that is asked to end, ends soon."""

import signal
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from types import FrameType
from typing import Any


def kill_workers_on_sigint(workers: Mapping[int, Any]) -> None:
    """At Ctrl-C, let Ray Tune end the study as it does, but not wait for epochs to end first.

    A worker answers Ray only between two epochs, and Ray waits for it for up to fifteen seconds.
    To end it in the midst of one loses nothing else: what it has kept is whole.

    workers: Ray's handles of the trials that run, by number, as they are when the time comes.
    """
    if threading.current_thread() is not threading.main_thread():
        return
    before = signal.getsignal(signal.SIGINT)  # Ray Tune's, for the first Ctrl-C only

    def handle_sigint(number: int, frame: FrameType | None) -> None:
        assert callable(before)
        before(number, frame)
        # On a thread of its own: the signal may have come in the midst of a call to Ray.
        threading.Thread(target=_kill_workers, args=(list(workers.values()),), daemon=True).start()

    signal.signal(signal.SIGINT, handle_sigint)


@contextmanager
def restore_sigint() -> Iterator[None]:
    """Ctrl-C after a study does what it did before: Ray Tune leaves its own handler behind."""
    before = signal.getsignal(signal.SIGINT)
    try:
        yield
    finally:
        if threading.current_thread() is threading.main_thread():
            signal.signal(signal.SIGINT, before)


def _kill_workers(workers: list[Any]) -> None:
    import ray

    for worker in workers:
        ray.kill(worker)
