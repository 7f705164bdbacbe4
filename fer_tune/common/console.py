"""What every command prints on."""

import os
import sys
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.text import Text

from fer_tune.common.text import escape_unprintable


class _PlainConsole(Console):
    """One that shows text as it is, and goes on when nobody reads what it prints.

    Names of files, classes and studies are no markup, and move no terminal's cursor.
    """

    def render_str(self, text: str, **how: Any) -> Text:
        return super().render_str("\n".join(map(escape_unprintable, text.split("\n"))), **how)

    def on_broken_pipe(self) -> None:
        self.quiet = True
        with Path(os.devnull).open("w") as nowhere:
            os.dup2(nowhere.fileno(), sys.stdout.fileno())


def create_console() -> Console:
    """A new one; where CI is set, as into a pipe, whatever is said of colours.

    The log of such a run would keep every picture of what is drawn anew on a terminal.
    """
    in_ci = os.environ.get("CI", "").lower() not in ("", "0", "false")
    how = False if in_ci else None
    return _PlainConsole(highlight=False, markup=False, emoji=False, force_terminal=how)
