"""The look of tables, bars and lines."""

import os
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TextColumn,
    TimeRemainingColumn,
)
from rich.table import Table
from rich.text import Text

from fer_tune.data import demo
from fer_tune.data.faces import Splits
from fer_tune.data.load import remarks
from fer_tune.errors import plain


class _QuietConsole(Console):
    """One that shows text as it is, and goes on when nobody reads what it prints.

    Names of files, classes and studies are no markup, and move no terminal's cursor.
    """

    def render_str(self, text: str, **how: Any) -> Text:
        return super().render_str("\n".join(map(plain, text.split("\n"))), **how)

    def on_broken_pipe(self) -> None:
        self.quiet = True
        with Path(os.devnull).open("w") as nowhere:
            os.dup2(nowhere.fileno(), sys.stdout.fileno())


def console() -> Console:
    """What every command prints on; where CI is set, as into a pipe, whatever is said of colours.

    The log of such a run would keep every picture of what is drawn anew on a terminal.
    """
    in_ci = os.environ.get("CI", "").lower() not in ("", "0", "false")
    how = False if in_ci else None
    return _QuietConsole(highlight=False, markup=False, emoji=False, force_terminal=how)


def show_faces(console: Console, splits: Splits) -> None:
    """Which faces a command runs on, loudly where they are the demo faces."""
    console.print(f"Faces: {splits.source}. {splits.protocol}")
    for remark in remarks(splits):
        console.print(remark, style="bold reverse" if remark == demo.WARNING else "")


def progress(console: Console) -> Progress:
    """A bar for epochs, with what the last one gave in the field `shown`."""
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("epochs, {task.fields[shown]},"),
        TimeRemainingColumn(),
        TextColumn("left"),
    )
    # Epochs may take minutes each; by default only the last half minute tells the speed.
    return Progress(*columns, console=console, speed_estimate_period=3600)


def duration(seconds: float) -> str:
    """Seconds as people say them: `45 s`, `12 min`, `3 h 20 min`."""
    if seconds < 60:
        return f"{seconds:.0f} s"
    hours, minutes = divmod(round(seconds / 60), 60)
    return f"{hours} h {minutes} min" if hours else f"{minutes} min"


def plain_table(headers: Sequence[str], rows: Iterable[Sequence[str]], title: str = "") -> Table:
    """A table of text, numbers to the right, without lines between rows."""
    table = Table(title=title or None, title_justify="left", box=None, pad_edge=False)
    for index, header in enumerate(headers):
        table.add_column(header, justify="left" if index == 0 else "right", no_wrap=True)
    for row in rows:
        table.add_row(*row)
    return table
