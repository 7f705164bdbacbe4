"""How tables, durations, means and metric names look in the terminal."""

import re
from collections.abc import Iterable, Mapping, Sequence
from statistics import mean, stdev

import numpy as np
from numpy.typing import NDArray
from rich.columns import Columns
from rich.console import Console

from fer_tune.common.fitted_table import FittedTable
from fer_tune.data.demo.demo_splits import DEMO_WARNING
from fer_tune.data.faces import SPLIT_NAMES, Splits
from fer_tune.data.load import collect_remarks
from fer_tune.data.subsample import sample_training_split


def show_data_source(console: Console, splits: Splits, train_faces: int | None = None) -> None:
    """Print which faces of which classes a command uses; the warning on demo faces stands out.

    train_faces: size of the sample that trains; None for the whole training split.
    Raises UserError if the sample is too small for a face of every class.
    """
    splits = sample_training_split(splits, train_faces, seed=0)
    console.print(f"Faces: {splits.source}. {splits.protocol}")
    console.print("Faces of each class (training/validation/test):")
    counts = [splits[name].count_by_class(len(splits.classes)).tolist() for name in SPLIT_NAMES]
    cells = (
        f"{name} {'/'.join(f'{count:,}' for count in own)}"
        for name, *own in zip(splits.classes, *counts, strict=True)
    )
    console.print(Columns(cells, padding=(0, 3)))
    for remark in collect_remarks(splits):
        console.print(remark, style="bold reverse" if remark == DEMO_WARNING else "")


def format_duration(seconds: float) -> str:
    """Return `45 s`, `12 min` or `3 h 20 min`."""
    if seconds < 60:
        return f"{seconds:.0f} s"
    hours, minutes = divmod(round(seconds / 60), 60)
    return f"{hours} h {minutes} min" if hours else f"{minutes} min"


def format_mean_and_std(values: Sequence[float] | NDArray[np.float64], digits: int = 3) -> str:
    """Return the mean and, if there are several values, their sample standard deviation."""
    text = f"{mean(values):.{digits}f}"
    return text if len(values) < 2 else f"{text} ± {stdev(values):.{digits}f}"


def format_metric_name(metric: str) -> str:
    """Return a metric's name for people: `macro F1`, `gap`, or `sad F1` for `val_f1/sad`."""
    name = re.sub(r"^val_(\w+)/(.+)", r"\2 \1", metric).removeprefix("val/")
    return name.replace("_", " ").replace("f1", "F1")


def format_scores(metrics: Mapping[str, float], names: Iterable[str]) -> str:
    """Return values with their names, each once: `macro F1 0.512, gap 0.081`."""
    shown = dict.fromkeys(names)
    return ", ".join(f"{format_metric_name(name)} {metrics[name]:.3f}" for name in shown)


def build_borderless_table(
    headers: Sequence[str], rows: Iterable[Sequence[str]], optional: Sequence[int] = ()
) -> FittedTable:
    """Return a table without lines.

    The first column has names, which are left-aligned and may be folded. All others are
    right-aligned and whole.

    optional: see `FittedTable`.
    """
    table = FittedTable(box=None, pad_edge=False)
    table.optional = optional
    table.add_column(headers[0], overflow="fold")
    for header in headers[1:]:
        table.add_column(header, justify="right", no_wrap=True)
    for row in rows:
        table.add_row(*row)
    return table
