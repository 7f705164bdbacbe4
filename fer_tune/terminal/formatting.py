"""The look of tables, bars and lines."""

from collections.abc import Iterable, Sequence

import numpy as np
from numpy.typing import NDArray
from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TextColumn,
    TimeRemainingColumn,
)
from rich.table import Table

from fer_tune.data.demo import demo_splits as demo_splits
from fer_tune.data.faces import Splits
from fer_tune.data.load import collect_remarks


def show_data_source(console: Console, splits: Splits) -> None:
    """Which faces a command runs on, loudly where they are the demo faces."""
    console.print(f"Faces: {splits.source}. {splits.protocol}")
    for remark in collect_remarks(splits):
        console.print(remark, style="bold reverse" if remark == demo_splits.DEMO_WARNING else "")


def create_progress_bar(console: Console) -> Progress:
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


def format_duration(seconds: float) -> str:
    """Seconds as people say them: `45 s`, `12 min`, `3 h 20 min`."""
    if seconds < 60:
        return f"{seconds:.0f} s"
    hours, minutes = divmod(round(seconds / 60), 60)
    return f"{hours} h {minutes} min" if hours else f"{minutes} min"


def format_mean_and_std(values: Sequence[float] | NDArray[np.float64], digits: int = 3) -> str:
    """The mean, and where there are several values their standard deviation."""
    mean = f"{np.mean(values):.{digits}f}"
    return mean if len(values) < 2 else f"{mean} ± {np.std(values, ddof=1):.{digits}f}"


def build_plain_table(
    headers: Sequence[str], rows: Iterable[Sequence[str]], title: str = ""
) -> Table:
    """A table of text, numbers to the right, without lines between rows."""
    table = Table(title=title or None, title_justify="left", box=None, pad_edge=False)
    for index, header in enumerate(headers):
        table.add_column(header, justify="left" if index == 0 else "right", no_wrap=True)
    for row in rows:
        table.add_row(*row)
    return table
