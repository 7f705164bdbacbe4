"""What a study found, in words and tables."""

from collections.abc import Sequence

from rich.console import Console
from rich.table import Table

from fer_tune.common import cli
from fer_tune.study.ranking import ScoredTrial, rank_trials
from fer_tune.study.records.settings import StudySettings
from fer_tune.study.records.trial_record import BASELINE_TRIAL, TrialRecord, format_parameters
from fer_tune.study.search_space.space import SearchSpace
from fer_tune.terminal.formatting import build_plain_table, format_duration

SUMMARY_METRICS = ("val/macro_f1", "val/accuracy", "gap")
SHORT_NAMES = {"val/macro_f1": "F1", "val/accuracy": "acc", "gap": "gap"}


def build_leaderboard(
    trials: Sequence[TrialRecord], metric: str, space: SearchSpace, rows: int = 10
) -> Table:
    """The best trials: each at its best epoch, with the settings that the study varied."""
    names = list(dict.fromkeys([metric, *SUMMARY_METRICS]))
    headers = ["trial", "ended", "epoch", *(SHORT_NAMES.get(name, name) for name in names)]
    table = build_plain_table(headers, [])
    table.add_column("configuration", overflow="fold")
    for each in rank_trials(trials, metric, space.max_gap)[:rows]:
        record = each.record
        number = f"{each.number:03d}" + (" paper" if each.number == BASELINE_TRIAL else "")
        epoch = f"{each.best_epoch.epoch}/{len(record.history)}"
        values = [f"{each.metrics[name]:.3f}" for name in names]
        varied = format_parameters(space.extract_point(record.config.model_dump()))
        table.add_row(number, record.ending or "running", epoch, *values, varied)
    return table


def describe_improvement(
    trials: Sequence[TrialRecord], metric: str, max_gap: float | None = None
) -> str:
    """The paper's configuration against the best, in a sentence or two."""
    order = rank_trials(trials, metric, max_gap)
    paper = next((each for each in order if each.number == BASELINE_TRIAL), None)
    if paper is None and order:
        told = f"The best, trial {order[0].number:03d}: {_format_metrics(order[0], metric)}."
        return f"The paper's configuration has no result to compare with. {told}"
    if paper is None or len(order) < 2:
        return "There is nothing to compare the paper's configuration with yet."
    best, theirs = order[0], _format_metrics(paper, metric)
    limit = "" if max_gap is None else f" with a gap of at most {max_gap:g}"
    if not best.satisfies_constraint(max_gap):
        told = (
            f"No trial that ran to its end has a gap of at most {max_gap:g}. "
            f"The paper's configuration: {theirs}."
        )
        closest = f" Closest, trial {best.number:03d}: {_format_metrics(best, metric)}."
        return told if best is paper else told + closest
    if best is paper:
        return f"No trial{limit} was better than the paper's configuration ({theirs})."
    return (
        f"The paper's configuration: {theirs}. "
        f"The best{limit}, trial {best.number:03d}: {_format_metrics(best, metric)}."
    )


def _format_metrics(trial: ScoredTrial, metric: str) -> str:
    names = dict.fromkeys([metric, "val/accuracy", "gap"])
    return ", ".join(f"{name.removeprefix('val/')} {trial.metrics[name]:.3f}" for name in names)


def summarize_cost(trials: Sequence[TrialRecord], epochs: int) -> str:
    """Trials by how they ended, and the epochs trained, their time, and those that stopping saved.

    The time is that of all trials together: with a core each, core-hours.
    """
    endings = [each.ending or "running" for each in trials]
    counts = ", ".join(f"{endings.count(ending)} {ending}" for ending in dict.fromkeys(endings))
    trained = [result for each in trials for result in each.history]
    time = format_duration(sum(result.seconds for result in trained))
    saved = sum(epochs - len(each.history) for each in trials if each.ending == "stopped")
    return (
        f"Trials: {len(trials)} ({counts}). Epochs: {len(trained)}, {time} of training in all, "
        f"and {saved} saved by stopping early."
    )


def render_summary(trials: Sequence[TrialRecord], settings: StudySettings) -> str:
    """The outcome as Markdown, for the head of the study's page."""
    told = describe_improvement(trials, settings.metric, settings.space.max_gap)
    return f"{told}\n\n{summarize_cost(trials, settings.epochs)}"


def show_outcome(console: Console, trials: Sequence[TrialRecord], settings: StudySettings) -> None:
    """What the study found."""
    console.print(build_leaderboard(trials, settings.metric, settings.space))
    console.print(describe_improvement(trials, settings.metric, settings.space.max_gap))
    console.print(summarize_cost(trials, settings.epochs))


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
