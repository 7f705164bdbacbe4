"""Errors that are not the fault of the program."""

from collections.abc import Sequence

from fer_tune.common.text import escape_unprintable


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
