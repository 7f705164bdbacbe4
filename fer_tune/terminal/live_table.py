"""The table of a running study's trials."""

import math
import time
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Self

from rich.console import Console
from rich.live import Live
from rich.table import Table

from fer_tune import events
from fer_tune.common.console import show_step
from fer_tune.common.fitted_table import FittedTable
from fer_tune.common.safe_text import pluralize
from fer_tune.scoring.metrics import is_better, ranking_key
from fer_tune.study.records.settings import StudySettings
from fer_tune.study.records.trial_record import format_parameters, format_value
from fer_tune.study.search_space.parameters import Point
from fer_tune.terminal.formatting import format_duration, format_metric_name
from fer_tune.terminal.training_progress import EpochLines

WAITING = "waiting for a worker to start a trial"
MAX_ROWS = 12  # the summary at the end shows the best trials of a longer study


@dataclass(slots=True)
class TrialRow:
    """One trial in the table.

    point: the trial's values of the varied parameters.
    epoch: number of epochs that the trial has finished.
    best: value of the study's metric at the best epoch, and the gap at this epoch.
    """

    number: int
    point: Point
    epoch: int = 0
    best: tuple[float, float] | None = None
    ending: events.Ending | None = None


class LiveTable:
    """An observer of a study that shows its trials.

    A terminal gets a table that is drawn again as results come in. A file or pipe gets lines about
    epochs, and a line for every trial that ends or is paused.

    time_budget: seconds after which the study stops; None for no limit.
    """

    def __init__(
        self, console: Console, settings: StudySettings, time_budget: float | None = None
    ) -> None:
        self._console, self._settings = console, settings
        self._metric, self._space = settings.metric, settings.space
        self._metric_name = format_metric_name(settings.metric)
        self._rows: dict[int, TrialRow] = {}
        self._lines = EpochLines(console, settings.metric, settings.epochs)
        self._start_time = time.monotonic()
        self._time_budget = math.inf if time_budget is None else time_budget
        self._new_epochs = 0
        self._is_live = False
        self._waiting = ExitStack()  # open until a trial starts
        self._live = Live(get_renderable=self.render_table, console=console, refresh_per_second=2)

    def __enter__(self) -> Self:
        if self._console.is_interactive:
            self._live.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Leave the table as it is. A second call does nothing."""
        self._waiting.close()
        self._live.stop()

    def on_event(self, event: events.Event) -> None:
        match event:
            case events.TrialStarted(number=number, config=config):
                self._waiting.close()
                point = self._space.extract_point(config.model_dump())
                self._rows.setdefault(number, TrialRow(number, point)).ending = None
            case events.EpochEnded(number=number, result=result):
                row = self._rows[number]
                value = result.metrics[self._metric]
                row.epoch = result.epoch
                if is_better(self._metric, value, row.best and row.best[0]):
                    row.best = value, result.metrics["gap"]
                self._new_epochs += 1
                if self._is_live and not self._live.is_started:
                    name, time_left = f"trial {number:03d}", self._estimate_time_left()
                    line = self._lines.format_epoch(name, result, time_left)
                    self._lines.print_if_due(line, result.epoch)
            case events.TrialRemarked(number=number, remark=remark):
                if self._is_live:
                    self._console.print(f"trial {number:03d}: {remark}", soft_wrap=True)
            case events.TrialEnded(number=number, ending=ending, error=error):
                row = self._rows[number]
                was_paused = row.ending == "paused"  # its line has been printed already
                row.ending = ending
                if self._is_live and (error or not (self._live.is_started or was_paused)):
                    self._console.print(self._format_trial_line(row, error), soft_wrap=True)

    def start_clock(self) -> None:
        """Take all events so far as those of an earlier process; measure the speed from now on."""
        self._new_epochs = 0
        self._start_time = time.monotonic()
        self._is_live = True
        if not self._live.is_started:
            self._waiting.enter_context(show_step(self._console, WAITING))
        for row in self._rows.values():
            if row.ending == "interrupted":
                row.ending = None

    def _format_trial_line(self, row: TrialRow, error: str | None) -> str:
        score, gap = _format_best(row)
        status = f"{events.STATUS_WORDS[row.ending]} after {pluralize(row.epoch, 'epoch')}"
        line = f"trial {row.number:03d} {status}, {self._metric_name} {score}, gap {gap}"
        if error:
            return f"{line}: {error.splitlines()[-1]}"
        return f"{line}  ({format_parameters(row.point)})"

    def render_table(self) -> Table:
        """Return the table; a narrow terminal shows fewer of the varied parameters."""
        title = self._format_title()
        table = FittedTable(title=title, title_justify="left", box=None, padding=(0, 1, 0, 0))
        table.min_width = min(len(title), self._console.width)  # else Rich breaks the title
        names = ("trial", "status", "epoch", self._metric_name, "gap", *self._space.parameters)
        table.optional = [*range(len(names) - 1, 4, -1), 2]  # the parameters, then the epoch
        for name in names:
            table.add_column(name, justify="left" if name == "status" else "right", no_wrap=True)
        for row in self._select_rows():
            table.add_row(
                f"{row.number:03d}",
                events.STATUS_WORDS[row.ending],
                f"{row.epoch}/{self._settings.epochs}",
                *_format_best(row),
                *(format_value(row.point.get(name, "-")) for name in self._space.parameters),
                style="" if row.ending is None else "dim",
            )
        return table

    def _select_rows(self) -> list[TrialRow]:
        """Return the running trials, and the best others if there is room."""
        running = [row for row in self._rows.values() if row.ending is None]
        ended = [row for row in self._rows.values() if row.ending is not None]
        ended.sort(key=self._rank_row, reverse=True)
        return sorted([*running, *ended[: max(0, MAX_ROWS - len(running))]], key=lambda r: r.number)

    def _rank_row(self, row: TrialRow) -> tuple[float, float]:
        if row.best is None:
            return -math.inf, -math.inf
        metrics = dict(zip((self._metric, "gap"), row.best, strict=True))
        is_completed = row.epoch == self._settings.epochs
        return ranking_key(metrics, self._metric, self._space.max_gap, is_completed=is_completed)

    def _format_title(self) -> str:
        rows = self._rows.values()
        paused = sum(row.ending == "paused" for row in rows)
        done = sum(row.ending is not None for row in rows) - paused
        trials = pluralize(self._settings.trials, "trial")
        title = f"{self._settings.name}: {done} of {trials} done"
        if paused:
            title += f", {paused} paused"
        first = max(rows, key=self._rank_row, default=None)
        if first and first.best and self._rank_row(first)[0] < 0:
            title += f", none with a gap of at most {self._space.max_gap:g} yet"
        elif first and first.best:
            title += f", best {first.best[0]:.3f}"
        is_waiting = all(row.ending not in (None, "interrupted") for row in rows)
        if is_waiting and done < self._settings.trials:
            return f"{title}, {WAITING}"
        return ", ".join(filter(None, (title, self._estimate_time_left())))

    def _estimate_time_left(self) -> str:
        ended = [row.epoch for row in self._rows.values() if row.ending]
        running = [row.epoch for row in self._rows.values() if not row.ending]
        trials, epochs = self._settings.trials, self._settings.epochs
        if len(ended) == trials or not self._new_epochs:
            return ""
        mean = sum(ended) / len(ended) if ended else epochs
        # A trial that is past the mean may well run all of its epochs.
        begun = sum(max(mean - epoch, (epochs - epoch) / 2) for epoch in running)
        left = begun + mean * (trials - len(self._rows))
        if not left:
            return ""
        passed = time.monotonic() - self._start_time
        seconds = max(0, min(left * passed / self._new_epochs, self._time_budget - passed))
        return f"{'about' if ended else 'up to'} {format_duration(seconds)} left"


def _format_best(row: TrialRow) -> list[str]:
    """Return the score and the gap of a trial's best epoch."""
    return [f"{value:.3f}" for value in row.best] if row.best else ["-", "-"]
