"""The table of a running study's trials."""

import math
import time
from contextlib import ExitStack
from typing import Self

from rich.console import Console
from rich.live import Live
from rich.table import Table

from fer_tune import events
from fer_tune.common.console import show_step
from fer_tune.common.safe_text import pluralize
from fer_tune.study.planned_repeats import count_repeats
from fer_tune.study.ranking import rank_trials
from fer_tune.study.records.settings import StudySettings
from fer_tune.study.records.trial_record import TrialRecord, TrialRecords, format_parameters
from fer_tune.terminal.formatting import format_duration, format_scores
from fer_tune.terminal.study_summary import build_trials_table
from fer_tune.terminal.training_progress import EpochLines

WAITING = "waiting for a worker to start a trial"
MAX_ROWS = 12  # the summary at the end shows the best trials of a longer study


class LiveTable:
    """An observer of a study that shows its trials.

    A terminal gets a table that is drawn again as results come in. A file or pipe gets lines about
    epochs, and a line for every trial that ends or is paused.

    trials: observe the events before this observer; some may be of an earlier process.
    time_budget: seconds after which the study stops; None for no limit.
    """

    def __init__(
        self,
        console: Console,
        settings: StudySettings,
        trials: TrialRecords,
        time_budget: float | None = None,
    ) -> None:
        self._console, self._settings, self._trials = console, settings, trials
        self._lines = EpochLines(settings.metric, settings.epochs)
        self._start_time = time.monotonic()
        self._time_budget = math.inf if time_budget is None else time_budget
        self._new_epochs = 0
        # Their pause has a line already, so their end gets none.
        self._paused = {trial.number for trial in trials.to_list() if trial.ending == "paused"}
        self._waiting = ExitStack()  # open until a trial starts
        self._live = Live(get_renderable=self.render_table, console=console, refresh_per_second=2)

    def __enter__(self) -> Self:
        if self._console.is_interactive:
            self._live.start()
        else:
            self._waiting.enter_context(show_step(self._console, WAITING))
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Leave the table as it is. A second call does nothing."""
        self._waiting.close()
        self._live.stop()

    def on_event(self, event: events.Event) -> None:
        match event:
            case events.TrialStarted(number=number):
                self._waiting.close()
                self._paused.discard(number)
            case events.EpochEnded(number=number, result=result):
                self._new_epochs += 1
                if not self._live.is_started and self._lines.claim_line(result.epoch):
                    name, time_left = self._trials[number].title, self._estimate_time_left()
                    self._console.print(self._lines.format_epoch(name, result, time_left))
            case events.TrialRemarked(number=number, remark=remark):
                self._console.print(f"{self._trials[number].title}: {remark}", soft_wrap=True)
            case events.TrialEnded(number=number, ending=ending, error=error):
                if error or not (self._live.is_started or number in self._paused):
                    line = self._format_trial_line(self._trials[number])
                    self._console.print(line, soft_wrap=True)
                if ending == "paused":
                    self._paused.add(number)

    def _format_trial_line(self, trial: TrialRecord) -> str:
        epochs, best = len(trial.history), trial.find_best_epoch(self._settings.metric)
        line = f"{trial.title} {events.STATUS_WORDS[trial.ending]} after "
        line += pluralize(epochs, "epoch")
        if best:
            line += f", {format_scores(best.metrics, (self._settings.metric, 'gap'))}"
        if trial.error:
            return f"{line}: {trial.error.splitlines()[-1]}"
        if self._settings.ablation:
            return f"{line}  ({trial.name.partition(' ')[2]})"
        point = self._settings.space.extract_point(trial.config.model_dump())
        return f"{line}  ({format_parameters(point)})"

    def render_table(self) -> Table:
        """Return the table of the trials that run, and of the best others if there is room."""
        trials, metric = self._trials.to_list(), self._settings.metric
        running = [each for each in (*trials, *self._trials.list_repeats()) if _is_running(each)]
        ended = [trial for trial in trials if not _is_running(trial)]
        best = rank_trials(ended, metric, self._settings.space.max_gap)
        shown = [*running, *(trial.record for trial in best[: max(0, MAX_ROWS - len(running))])]
        table = build_trials_table(sorted(shown, key=lambda trial: trial.number), metric)
        table.title, table.title_justify = self._format_title(trials), "left"
        table.min_width = min(len(table.title), self._console.width)  # else Rich breaks the title
        return table

    def _format_title(self, trials: list[TrialRecord]) -> str:
        count, max_gap = self._settings.trials, self._settings.space.max_gap
        repeats, repeat_count = self._trials.list_repeats(), count_repeats(self._settings, trials)
        paused = sum(trial.ending == "paused" for trial in trials)
        done = sum(trial.has_final_status for trial in trials)
        title = f"{self._settings.name}: {done} of {pluralize(count, 'trial')} done"
        if paused:
            title += f", {paused} paused"
        if repeat_count:
            repeated = sum(repeat.has_final_status for repeat in repeats)
            title += f", {repeated} of {repeat_count} repeats"
            count, done = count + repeat_count, done + repeated
        ranked = rank_trials(trials, self._settings.metric, max_gap)
        if ranked and not ranked[0].satisfies_constraint(max_gap):
            title += f", none with a gap of at most {max_gap:g} yet"
        elif ranked:
            title += f", best {ranked[0].ranked_metrics[self._settings.metric]:.3f}"
        if not any(map(_is_running, (*trials, *repeats))) and done < count:
            return f"{title}, {WAITING}"
        return ", ".join(filter(None, (title, self._estimate_time_left())))

    def _estimate_time_left(self) -> str:
        trials, epochs = self._trials.to_list(), self._settings.epochs
        ended = [len(trial.history) for trial in trials if not _is_running(trial)]
        running = [len(trial.history) for trial in trials if _is_running(trial)]
        mean = sum(ended) / len(ended) if ended else epochs
        # A trial that is past the mean may well run all of its epochs.
        begun = sum(max(mean - epoch, (epochs - epoch) / 2) for epoch in running)
        left = begun + mean * (self._settings.trials - len(trials))
        left += epochs * count_repeats(self._settings, trials)
        for repeat in self._trials.list_repeats():
            left -= epochs if repeat.has_final_status else len(repeat.history)
        if not left or not self._new_epochs:
            return ""
        passed = time.monotonic() - self._start_time
        seconds = max(0, min(left * passed / self._new_epochs, self._time_budget - passed))
        return f"{'about' if ended else 'up to'} {format_duration(seconds)} left"


def _is_running(trial: TrialRecord) -> bool:
    """Return whether the trial runs, or starts again as its worker or the study was stopped."""
    return trial.ending in (None, "interrupted")
