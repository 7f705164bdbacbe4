"""A study while it runs."""

import math
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

from rich.console import Console
from rich.live import Live
from rich.measure import Measurement
from rich.table import Table

from fer_tune.events import Ending, EpochEnded, Event, TrialEnded, TrialRemarked, TrialStarted
from fer_tune.scoring.metrics import is_better
from fer_tune.study.ranking import ranking_key
from fer_tune.study.records.settings import StudySettings
from fer_tune.study.records.trial_record import format_parameters, format_value
from fer_tune.study.search_space.parameters import Point
from fer_tune.terminal.formatting import format_duration

MAX_ROWS = 12  # of the live table; the rest of a long study is in the leaderboard


@dataclass(slots=True)
class TrialRow:
    """A trial in the live table.

    point: the parameters that the trial has.
    epoch: epochs done.
    best: value of the metric, and the gap, in the best of them.
    """

    number: int
    point: Point
    epoch: int = 0
    best: tuple[float, float] | None = None
    ending: Ending | None = None


class LiveTable:
    """The trials of a running study; an observer of them.

    On a terminal, a table that is drawn anew as results come in; elsewhere, a line for each trial
    that ends or is paused.
    """

    def __init__(self, console: Console, settings: StudySettings) -> None:
        self._console = console
        self._study, self._metric = settings.name, settings.metric
        self._trials, self._epochs = settings.trials, settings.epochs
        self._space = settings.space
        self._rows: dict[int, TrialRow] = {}
        self._began = time.monotonic()
        self._epochs_here = 0
        self._is_live = False
        self._live = Live(get_renderable=self.render_table, console=console, refresh_per_second=2)

    def __enter__(self) -> Self:
        if self._console.is_terminal:
            self._live.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._live.stop()

    def on_event(self, event: Event) -> None:
        match event:
            case TrialStarted(number=number, config=config):
                point = self._space.extract_point(config.model_dump())
                self._rows.setdefault(number, TrialRow(number, point)).ending = None
            case EpochEnded(number=number, result=result):
                row = self._rows[number]
                value = result.metrics[self._metric]
                row.epoch = result.epoch
                if is_better(self._metric, value, row.best and row.best[0]):
                    row.best = value, result.metrics["gap"]
                self._epochs_here += 1
            case TrialRemarked(number=number, remark=remark):
                if self._is_live:
                    self._console.print(f"trial {number:03d}: {remark}", soft_wrap=True)
            case TrialEnded(number=number, ending=ending, error=error):
                row = self._rows[number]
                was_told = row.ending == "paused"  # and it did nothing since
                row.ending = ending
                if self._is_live and (error or not (self._live.is_started or was_told)):
                    self._console.print(self._format_trial_line(row, error), soft_wrap=True)

    def start_clock(self) -> None:
        """What was told so far was done by an earlier process; what comes now happens now."""
        self._epochs_here = 0
        self._began = time.monotonic()
        self._is_live = True
        for row in self._rows.values():
            if row.ending == "interrupted":
                row.ending = None

    def _format_trial_line(self, row: TrialRow, error: str | None) -> str:
        best = "-" if row.best is None else f"{row.best[0]:.3f}"
        ended = f"{row.ending} after {row.epoch} epochs"
        line = f"trial {row.number:03d} {ended}, {self._metric} {best}"
        if error:
            return f"{line}: {error.splitlines()[-1]}"
        return f"{line}  ({format_parameters(row.point)})"

    def render_table(self) -> Table:
        """The table as it stands, with as many of the space's parameters as there is room for."""
        names = list(self._space.parameters)
        while True:
            table = self._build_table(names)
            unlimited = self._console.options.update(max_width=1000)
            needed = Measurement.get(self._console, unlimited, table).maximum
            if needed <= self._console.width or not names:
                return table
            names.pop()

    def _build_table(self, parameters: Sequence[str]) -> Table:
        title = self._format_title()
        table = Table(title=title, title_justify="left", box=None, padding=(0, 1, 0, 0))
        table.min_width = min(len(title), self._console.width)  # or the title is broken
        metric = self._metric.removeprefix("val/")
        for name in ("trial", "state", "epoch", metric, "gap", *parameters):
            table.add_column(name, justify="left" if name == "state" else "right", no_wrap=True)
        for row in self._select_rows():
            values = [format_value(row.point.get(name, "-")) for name in parameters]
            table.add_row(
                *self._format_cells(row), *values, style="" if row.ending is None else "dim"
            )
        return table

    def _select_rows(self) -> list[TrialRow]:
        """The running trials, and as many of the best others as there is room for."""
        running = [row for row in self._rows.values() if row.ending is None]
        ended = [row for row in self._rows.values() if row.ending is not None]
        ended.sort(key=self._rank_row, reverse=True)
        return sorted([*running, *ended[: max(0, MAX_ROWS - len(running))]], key=lambda r: r.number)

    def _rank_row(self, row: TrialRow) -> tuple[float, float]:
        if row.best is None:
            return -math.inf, -math.inf
        metrics = dict(zip((self._metric, "gap"), row.best, strict=True))
        is_whole = row.epoch == self._epochs
        return ranking_key(metrics, self._metric, self._space.max_gap, is_completed=is_whole)

    def _format_cells(self, row: TrialRow) -> list[str]:
        values = [f"{value:.3f}" for value in row.best] if row.best else ["-", "-"]
        epoch = f"{row.epoch}/{self._epochs}"
        return [f"{row.number:03d}", row.ending or "running", epoch, *values]

    def _format_title(self) -> str:
        rows = self._rows.values()
        paused = sum(row.ending == "paused" for row in rows)
        ended = f"{sum(row.ending is not None for row in rows) - paused} of {self._trials}"
        waiting = f", {paused} paused" if paused else ""
        first = max(rows, key=self._rank_row, default=None)
        best = "" if first is None or first.best is None else f", best {first.best[0]:.3f}"
        if first and first.best and self._rank_row(first)[0] < 0:
            best = f", no gap of at most {self._space.max_gap:g} yet"
        return f"{self._study}: {ended} trials ended{waiting}{best}{self._estimate_time_left()}"

    def _estimate_time_left(self) -> str:
        ended = [row.epoch for row in self._rows.values() if row.ending]
        running = [row.epoch for row in self._rows.values() if not row.ending]
        if len(ended) == self._trials or not ended or not self._epochs_here:
            return ""
        mean = sum(ended) / len(ended)
        # What outlived the mean may well go on to the end.
        begun = sum(max(mean - epoch, (self._epochs - epoch) / 2) for epoch in running)
        left = begun + mean * (self._trials - len(self._rows))
        seconds = left * (time.monotonic() - self._began) / self._epochs_here
        return f", about {format_duration(seconds)} left"
