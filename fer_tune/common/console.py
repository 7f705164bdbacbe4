"""The console that every command prints to."""

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from threading import Timer
from typing import Any

from rich.console import Console
from rich.text import Text

from fer_tune.common.safe_text import escape_unprintable

LOG_SECONDS = 5  # shortest time between two lines of progress in output that is no terminal


class _PlainConsole(Console):
    """A console that prints text unchanged.

    Names of files, classes and studies are not markup, and do not move a terminal's cursor.
    """

    def print(self, *objects: Any, **options: Any) -> None:
        if not self.is_interactive and all(isinstance(each, str) for each in objects):
            options["soft_wrap"] = True  # a log has whole sentences, to search for
        super().print(*objects, **options)

    def render_str(self, text: str, **options: Any) -> Text:
        return super().render_str("\n".join(map(escape_unprintable, text.split("\n"))), **options)


def create_console() -> Console:
    """Return a console that redraws its output, as a table or a bar, only in a terminal.

    A CI run and a notebook may look like terminals. They would keep every refresh of a table.
    """
    environment = os.environ
    in_ci = environment.get("CI", "").lower() not in ("", "0", "false")
    # MPLBACKEND is for kernels that no Jupyter server has started.
    in_notebook = "JPY_PARENT_PID" in environment or "inline" in environment.get("MPLBACKEND", "")
    is_terminal = sys.stdout is not None and sys.stdout.isatty()  # also if FORCE_COLOR is set
    return _PlainConsole(
        highlight=False,
        markup=False,
        emoji=False,
        force_terminal=False if in_ci else None,
        force_interactive=None if is_terminal and not (in_ci or in_notebook) else False,
        force_jupyter=False,  # its output would be HTML
    )


@contextmanager
def show_step(console: Console, step: str) -> Iterator[None]:
    """Show what the program does in this context, such as "reading the faces".

    A terminal shows it at once, until it is done. Otherwise stderr gets a line if it takes some
    seconds; stdout may be JSON.
    """
    if console.is_interactive:
        with console.status(step, spinner="line"):  # others are not ASCII
            yield
        return
    timer = Timer(LOG_SECONDS, partial(print, f"{step} ...", file=sys.stderr, flush=True))
    timer.daemon = True
    timer.start()
    try:
        yield
    finally:
        timer.cancel()
