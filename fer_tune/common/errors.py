"""Errors that are not the fault of the program."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from fer_tune.common.safe_text import escape_unprintable


class UserError(Exception):
    """A mistake that the user can correct, in one line: what is wrong, where, what to do.

    Every command prints it without a traceback and exits with code 2.

    message: the line.
    details: further lines, printed below it.
    """

    def __init__(self, message: str, details: Sequence[str] = ()) -> None:
        super().__init__(message, details)
        self._lines = (message, *details)

    def __str__(self) -> str:
        return "\n  ".join(map(escape_unprintable, self._lines))


class MissingStudyError(UserError):
    """A study that the tracking store lacks. The storage may have it."""


@contextmanager
def explain_os_errors(problem: str, advice: str = "") -> Iterator[None]:
    """Raise UserError for an OSError: the problem, the system's reason, the advice.

    problem: what cannot be done, such as "a.csv cannot be written".
    advice: what the user can do.
    """
    try:
        yield
    except OSError as error:
        reason = " ".join((error.strerror or str(error)).split())[:200]
        raise UserError(f"{problem}: {reason}{advice and '; '}{advice}") from error
