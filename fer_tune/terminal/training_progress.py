"""The progress of trainings: a bar in a terminal, otherwise a line every few seconds."""

import math
import time
from typing import Self

from rich import progress
from rich.console import Console

from fer_tune.common.console import LOG_SECONDS
from fer_tune.scoring.metrics import EpochResult
from fer_tune.terminal.formatting import format_duration, format_scores


class EpochLines:
    """A printer of lines about epochs, for output that is no terminal.

    It prints at most one line every few seconds, but always one for the last epoch of a training.
    """

    def __init__(self, console: Console, metric: str, epochs: int) -> None:
        self._console, self._metric, self._epochs = console, metric, epochs
        self._next_time = -math.inf

    def print_epoch(self, training: str, result: EpochResult, time_left: str) -> None:
        """Print the line of an epoch, if it is due.

        training: a name such as "trial 003".
        time_left: empty if it is unknown.
        """
        if time.monotonic() < self._next_time and result.epoch < self._epochs:
            return
        self._next_time = time.monotonic() + LOG_SECONDS
        line = f"{training}: epoch {result.epoch} of {self._epochs}"
        scores = format_scores(result.metrics, (self._metric, "gap"))
        self._console.print(", ".join(filter(None, (line, scores, time_left))))


class SeedProgress:
    """The progress of one training of a retraining.

    later_seeds: number of trainings of the same length after this one, for the time left.
    """

    def __init__(
        self, console: Console, name: str, metric: str, epochs: int, later_seeds: int
    ) -> None:
        self._name, self._metric, self._epochs = name, metric, epochs
        self._later_seeds = later_seeds
        self._lines = None if console.is_interactive else EpochLines(console, metric, epochs)
        self._bar = _create_bar(console)
        self._task = self._bar.add_task(name, total=epochs, shown="")
        self._seconds = 0.0

    def __enter__(self) -> Self:
        self._bar.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._bar.stop()

    def show_epoch(self, result: EpochResult, *, is_new: bool) -> None:
        """Show the result of an epoch.

        is_new: whether it was trained by this process. A log has the lines of the others already.
        """
        self._seconds += result.seconds
        left = self._epochs - result.epoch + self._later_seeds * self._epochs
        if self._lines and is_new:
            time_left = f"about {format_duration(self._seconds / result.epoch * left)} left"
            self._lines.print_epoch(self._name, result, time_left if left else "")
        shown = format_scores(result.metrics, (self._metric, "gap"))
        self._bar.update(self._task, completed=result.epoch, shown=shown)


def _create_bar(console: Console) -> progress.Progress:
    columns = (
        progress.TextColumn("{task.description}"),
        progress.BarColumn(),
        progress.MofNCompleteColumn(),
        progress.TextColumn("epochs, {task.fields[shown]},"),
        progress.TimeRemainingColumn(),
        progress.TextColumn("left"),
    )
    # Rich estimates the speed from the last 30 s, but one epoch may take minutes.
    return progress.Progress(
        *columns,
        console=console,
        speed_estimate_period=3600,
        disable=not console.is_interactive,
    )
