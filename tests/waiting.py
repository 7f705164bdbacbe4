"""Waiting for what comes about beside a test."""

import time
import urllib.request
from collections.abc import Callable
from contextlib import suppress


def wait_until(condition: Callable[[], bool], what: str, patience: float = 240) -> None:
    """Raises AssertionError, naming `what`, where it does not come about in so many seconds."""
    until = time.monotonic() + patience
    while not condition():
        assert time.monotonic() < until, f"not within {patience:g} s: {what}"
        time.sleep(0.1)


def answers(address: str) -> bool:
    """Whether a server answers there that all is well."""
    with suppress(OSError), urllib.request.urlopen(address, timeout=5) as answer:
        return bool(answer.status == 200)
    return False
