"""What is shown when a study has ended."""

from collections.abc import Sequence

from rich.console import Console

from fer_tune.common import cli as command
from fer_tune.study.records.settings import StudySettings
from fer_tune.study.records.trial_record import TrialRecord
from fer_tune.terminal import study_summary as outcome


def show_outcome(console: Console, trials: Sequence[TrialRecord], settings: StudySettings) -> None:
    """What the study found."""
    console.print(outcome.leaderboard(trials, settings.metric, settings.space))
    console.print(outcome.gain(trials, settings.metric, settings.space.max_gap))
    console.print(outcome.spent(trials, settings.epochs))


def show_next_steps(
    console: Console,
    settings: StudySettings,
    ui: str | None,
    page: str,
    records: Sequence[str],
    left: str | None,
) -> None:
    """What to type next, and what for; `left` is why the study has to go on."""
    again = command.line("fer_tune.retrain", ["--study", settings.name, *records])
    steps = {
        "To compare the trials": ui and f"{command.python()} -m {ui}",
        "and open" if ui else "Open": page,
        "To train the best again and test it": again,
        left or "": left and resume_line(settings, records),
    }
    for what, typed in steps.items():
        if typed:
            console.print(f"{what}: {typed}", soft_wrap=True)


def resume_line(settings: StudySettings, records: Sequence[str]) -> str:
    """What to type to go on with the study."""
    typed = command.line("fer_tune.search", ["--resume", settings.name, *records])
    return f"to go on: {typed}"
