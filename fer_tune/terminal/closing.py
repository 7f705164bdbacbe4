"""What is shown when a study has ended."""

from collections.abc import Sequence

from rich.console import Console

from fer_tune.common import cli as cli
from fer_tune.study.records.settings import StudySettings
from fer_tune.study.records.trial_record import TrialRecord
from fer_tune.terminal import study_summary as study_summary


def show_outcome(console: Console, trials: Sequence[TrialRecord], settings: StudySettings) -> None:
    """What the study found."""
    console.print(study_summary.build_leaderboard(trials, settings.metric, settings.space))
    console.print(
        study_summary.describe_improvement(trials, settings.metric, settings.space.max_gap)
    )
    console.print(study_summary.summarize_cost(trials, settings.epochs))


def show_next_steps(
    console: Console,
    settings: StudySettings,
    ui_command: str | None,
    page_url: str,
    store_options: Sequence[str],
    resume_reason: str | None,
) -> None:
    """What to type next, and what for; `left` is why the study has to go on."""
    again = cli.format_command_line("fer_tune.retrain", ["--study", settings.name, *store_options])
    steps = {
        "To compare the trials": ui_command and f"{cli.find_python_command()} -m {ui_command}",
        "and open" if ui_command else "Open": page_url,
        "To train the best again and test it": again,
        resume_reason or "": resume_reason and format_resume_line(settings, store_options),
    }
    for what, typed in steps.items():
        if typed:
            console.print(f"{what}: {typed}", soft_wrap=True)


def format_resume_line(settings: StudySettings, store_options: Sequence[str]) -> str:
    """What to type to go on with the study."""
    typed = cli.format_command_line("fer_tune.search", ["--resume", settings.name, *store_options])
    return f"to go on: {typed}"
