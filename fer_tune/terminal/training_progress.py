"""The progress of trainings: a terminal redraws one line, a log gets a line every few seconds."""

import math
import time
from typing import Self

from rich.console import Console
from rich.live import Live

from fer_tune.common.console import LOG_SECONDS
from fer_tune.scoring.metrics import EpochResult
from fer_tune.terminal.formatting import format_duration, format_scores


class EpochLines:
    """The lines about epochs, for output that is no terminal.

    At most one line is due every few seconds, but always one for the last epoch of a training.
    """

    def __init__(self, metric: str, epochs: int) -> None:
        self._metric, self._epochs = metric, epochs
        self._next_time = -math.inf

    def claim_line(self, epoch: int) -> bool:
        """Return whether the epoch gets a line; others then get none for some seconds."""
        is_due = time.monotonic() >= self._next_time or epoch == self._epochs
        if is_due:
            self._next_time = time.monotonic() + LOG_SECONDS
        return is_due

    def format_epoch(self, training: str, result: EpochResult, time_left: str) -> str:
        """Return the line of an epoch.

        training: a name such as "trial 003".
        time_left: empty if it is unknown.
        """
        line = f"{training}: epoch {result.epoch} of {self._epochs}"
        scores = format_scores(result.metrics, (self._metric, "gap"))
        return ", ".join(filter(None, (line, scores, time_left)))


class SeedProgress:
    """The progress of one training of a retraining.

    later_seeds: number of trainings of the same length after this one, for the time left.
    """

    def __init__(
        self, console: Console, name: str, metric: str, epochs: int, later_seeds: int
    ) -> None:
        self._console, self._name, self._epochs = console, name, epochs
        self._later_seeds = later_seeds
        self._lines = EpochLines(metric, epochs)
        self._live = Live(f"{name}: epoch 0 of {epochs}", console=console, auto_refresh=False)
        self._seconds = 0.0

    def __enter__(self) -> Self:
        if self._console.is_interactive:
            self._live.start(refresh=True)
        return self

    def __exit__(self, *_: object) -> None:
        self._live.stop()

    def show_epoch(self, result: EpochResult, *, is_new: bool) -> None:
        """Show the result of an epoch.

        is_new: whether it was trained by this process. A log has the lines of the others already.
        """
        self._seconds += result.seconds
        left = self._epochs - result.epoch + self._later_seeds * self._epochs
        time_left = f"about {format_duration(self._seconds / result.epoch * left)} left"
        line = self._lines.format_epoch(self._name, result, time_left if left else "")
        if self._live.is_started:
            self._live.update(line, refresh=True)
        elif is_new and self._lines.claim_line(result.epoch):
            self._console.print(line)
