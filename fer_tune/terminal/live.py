"""A study while it runs."""

import time
from dataclasses import dataclass
from typing import Self

from rich.console import Console
from rich.live import Live
from rich.table import Table

from fer_tune.events import Ending, EpochEnded, Event, TrialEnded, TrialRemarked, TrialStarted
from fer_tune.study.record import named_values
from fer_tune.study.settings import StudySettings
from fer_tune.terminal.tables import duration
from fer_tune.training.metrics import direction, improves

ROWS = 12  # of the live table; the rest of a long study is in the leaderboard


@dataclass(slots=True)
class Row:
    """A trial in the live table.

    epoch: epochs done.
    last: value of the metric, and the gap, in the last of them.
    best: value of the metric so far.
    """

    number: int
    values: str
    epoch: int = 0
    last: tuple[float, float] | None = None
    best: float | None = None
    ending: Ending | None = None


class LiveTable:
    """The trials of a running study; an observer of them.

    On a terminal, a table that is drawn anew as results come in; elsewhere, a line for each trial
    that ends.
    """

    def __init__(self, console: Console, settings: StudySettings) -> None:
        self._console = console
        self._study, self._metric = settings.name, settings.metric
        self._trials, self._epochs = settings.trials, settings.epochs
        self._space = settings.space
        self._rows: dict[int, Row] = {}
        self._began = time.monotonic()
        self._epochs_here = 0
        self._is_live = False
        self._live = Live(get_renderable=self.table, console=console, refresh_per_second=2)

    def __enter__(self) -> Self:
        if self._console.is_terminal:
            self._live.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._live.stop()

    def tell(self, event: Event) -> None:
        match event:
            case TrialStarted(number=number, config=config):
                values = named_values(self._space.point(config.model_dump()))
                self._rows.setdefault(number, Row(number, values)).ending = None
            case EpochEnded(number=number, result=result):
                row = self._rows[number]
                value = result.metrics[self._metric]
                row.epoch, row.last = result.epoch, (value, result.metrics["gap"])
                if improves(self._metric, value, row.best):
                    row.best = value
                self._epochs_here += 1
            case TrialRemarked(number=number, remark=remark):
                if self._is_live:
                    self._console.print(f"trial {number:03d}: {remark}", soft_wrap=True)
            case TrialEnded(number=number, ending=ending, error=error):
                row = self._rows[number]
                row.ending = ending
                if self._is_live and (error or not self._live.is_started):
                    self._console.print(self._line(row, error), soft_wrap=True)

    def start_clock(self) -> None:
        """What was told so far was done by an earlier process; what comes now happens now."""
        self._epochs_here = 0
        self._began = time.monotonic()
        self._is_live = True
        for row in self._rows.values():
            if row.ending == "interrupted":
                row.ending = None

    def _line(self, row: Row, error: str | None) -> str:
        best = "-" if row.best is None else f"{row.best:.3f}"
        ended = f"{row.ending} after {row.epoch} epochs"
        line = f"trial {row.number:03d} {ended}, {self._metric} {best}"
        return f"{line}: {error.splitlines()[-1]}" if error else f"{line}  ({row.values})"

    def table(self) -> Table:
        """The table as it stands."""
        table = Table(title=self._title(), title_justify="left", expand=True, box=None)
        for name in ("trial", "state", "epoch", self._metric.removeprefix("val/"), "best", "gap"):
            table.add_column(name, justify="left" if name == "state" else "right", no_wrap=True)
        table.add_column("configuration", ratio=1, no_wrap=True, overflow="ellipsis")
        for row in self._shown():
            table.add_row(*self._cells(row), style="" if row.ending is None else "dim")
        return table

    def _shown(self) -> list[Row]:
        """The running trials, and as many of the best others as there is room for."""
        running = [row for row in self._rows.values() if row.ending is None]
        ended = [row for row in self._rows.values() if row.ending is not None]
        sign = 1 if direction(self._metric) == "min" else -1
        ended.sort(key=lambda row: (row.best is None, sign * (row.best or 0)))
        return sorted([*running, *ended[: max(0, ROWS - len(running))]], key=lambda r: r.number)

    def _cells(self, row: Row) -> list[str]:
        values = ["-", "-", "-"]
        if row.last is not None:
            value, gap = row.last
            values = [f"{v:.3f}" for v in (value, row.best or 0, gap)]
        epoch = f"{row.epoch}/{self._epochs}"
        return [f"{row.number:03d}", row.ending or "running", epoch, *values, row.values]

    def _title(self) -> str:
        rows = self._rows.values()
        ended = sum(row.ending is not None for row in rows)
        scores = [row.best for row in rows if row.best is not None]
        pick = min if direction(self._metric) == "min" else max
        best = f", best {pick(scores):.3f}" if scores else ""
        return f"{self._study}: {ended} of {self._trials} trials ended{best}{self._time_left()}"

    def _time_left(self) -> str:
        ended = [row.epoch for row in self._rows.values() if row.ending]
        running = [row.epoch for row in self._rows.values() if not row.ending]
        if not ended or not self._epochs_here:
            return ""
        mean = sum(ended) / len(ended)
        # What outlived the mean may well go on to the end.
        begun = sum(max(mean - epoch, (self._epochs - epoch) / 2) for epoch in running)
        left = begun + mean * (self._trials - len(self._rows))
        seconds = left * (time.monotonic() - self._began) / self._epochs_here
        return f", about {duration(seconds)} left"
