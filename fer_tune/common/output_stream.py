"""Streams for stdout and stderr with which no print ends a command."""

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stderr, redirect_stdout, suppress
from pathlib import Path
from typing import Any, TextIO, cast


class OutputStream:
    """A text stream that escapes characters that its encoding lacks, and raises no error.

    A terminal may be closed, and the disk of a log may be full.

    failure: the first error that lost text; None without one, or if nobody reads the text.
    """

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self.failure: str | None = None

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)

    def write(self, text: str) -> int:
        encoding = self._stream.encoding or "utf-8"
        with self._note_failure():
            self._stream.write(text.encode(encoding, "backslashreplace").decode(encoding))
        return len(text)

    def flush(self) -> None:
        with self._note_failure():
            self._stream.flush()

    def discard(self) -> None:
        """Discard the text in the buffer and all further text."""
        with suppress(OSError, ValueError), Path(os.devnull).open("w") as devnull:
            os.dup2(devnull.fileno(), self._stream.fileno())

    @contextmanager
    def _note_failure(self) -> Iterator[None]:
        try:
            yield
        except BrokenPipeError:
            self.discard()
        except (OSError, ValueError) as error:  # ValueError: the stream is closed
            self.failure = self.failure or getattr(error, "strerror", None) or str(error)


@contextmanager
def replace_output_streams() -> Iterator[OutputStream | None]:
    """Replace stdout and stderr by streams that raise no error.

    Yields the stream for stdout; None if a shell has closed it (>&-).
    """
    output = OutputStream(sys.stdout) if sys.stdout else None
    errors = OutputStream(sys.stderr) if sys.stderr else None
    try:
        with redirect_stdout(cast("TextIO", output)), redirect_stderr(cast("TextIO", errors)):
            yield output
    finally:
        for stream in filter(None, (output, errors)):
            stream.flush()
            if stream.failure:
                stream.discard()  # otherwise Python reports at its exit what it cannot write
