"""What goes wrong through no fault of the program, and text from outside made fit to be shown."""

from collections.abc import Sequence


class UserError(Exception):
    """Something the user can put right, told in one line: what is wrong, where, what to do.

    Every command shows it without a traceback and exits with code 2.

    details: shown below that line, one each.
    """

    def __init__(self, message: str, details: Sequence[str] = ()) -> None:
        super().__init__(message, details)
        self._lines = (message, *details)

    def __str__(self) -> str:
        return "\n  ".join(map(escape_unprintable, self._lines))


def escape_unprintable(text: str) -> str:
    """`text` in one line that a terminal shows as it is.

    Names of files may hold line breaks, bytes that are no text and what moves a terminal's cursor;
    all that is written as Python writes it: `\\n`, `\\udcff`, `\\x1b`.
    """
    return "".join(c if c.isprintable() else repr(c)[1:-1] for c in text)
