"""The console that every command prints to."""

import os
import sys
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.text import Text

from fer_tune.common.safe_text import escape_unprintable


class _PlainConsole(Console):
    """A console that prints text unchanged, and continues if nobody reads its output.

    Names of files, classes and studies are not markup, and do not move a terminal's cursor.
    """

    def render_str(self, text: str, **options: Any) -> Text:
        return super().render_str("\n".join(map(escape_unprintable, text.split("\n"))), **options)

    def on_broken_pipe(self) -> None:
        self.quiet = True
        with Path(os.devnull).open("w") as devnull:
            os.dup2(devnull.fileno(), sys.stdout.fileno())


def create_console() -> Console:
    """Return a console that treats its output as a pipe, without colours, if CI is set.

    Otherwise the log of a CI run would contain every refresh of a progress bar.
    """
    in_ci = os.environ.get("CI", "").lower() not in ("", "0", "false")
    force_terminal = False if in_ci else None
    return _PlainConsole(highlight=False, markup=False, emoji=False, force_terminal=force_terminal)
