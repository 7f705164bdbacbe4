"""Ctrl-C during a study."""

import signal
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from types import FrameType
from typing import Any


def kill_workers_on_sigint(workers: Mapping[int, Any]) -> None:
    """Let Ctrl-C end the study through Ray Tune, without waiting for the current epochs.

    A worker answers Ray only between two epochs, and Ray waits for it up to fifteen seconds. A
    killed worker loses only its current epoch, as checkpoints are written completely or not at all.

    workers: Ray's handles of the running trials, by number; read at the time of the Ctrl-C.
    """
    if threading.current_thread() is not threading.main_thread():
        return
    before = signal.getsignal(signal.SIGINT)  # Ray Tune's, for the first Ctrl-C only

    def handle_sigint(number: int, frame: FrameType | None) -> None:
        assert callable(before)
        before(number, frame)
        # In another thread, as the signal may interrupt a call to Ray.
        threading.Thread(target=_kill_workers, args=(list(workers.values()),), daemon=True).start()

    signal.signal(signal.SIGINT, handle_sigint)


@contextmanager
def restore_sigint() -> Iterator[None]:
    """Restore the handler of Ctrl-C at the end, because Ray Tune leaves its own."""
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
