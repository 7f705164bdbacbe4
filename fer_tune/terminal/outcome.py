"""What a study found, in words and tables."""

from collections.abc import Sequence

from rich.table import Table

from fer_tune.study.record import PAPER_TRIAL, TrialRecord, named_values
from fer_tune.study.settings import StudySettings
from fer_tune.study.space import SearchSpace
from fer_tune.terminal.tables import plain_table
from fer_tune.training.metrics import direction

SHOWN = ("val/macro_f1", "val/accuracy", "gap")
SHORT = {"val/macro_f1": "F1", "val/accuracy": "acc", "gap": "gap"}


def ranked(trials: Sequence[TrialRecord], metric: str) -> list[TrialRecord]:
    """The trials that have a score, best first; equal ones by number."""
    scored = [(best.metrics[metric], each) for each in trials if (best := each.best(metric))]
    scored.sort(key=lambda pair: pair[0], reverse=direction(metric) == "max")
    return [each for _, each in scored]


def leaderboard(
    trials: Sequence[TrialRecord], metric: str, space: SearchSpace, rows: int = 10
) -> Table:
    """The best trials: each at its best epoch, with the settings that the study varied."""
    names = list(dict.fromkeys([metric, *SHOWN]))
    headers = ["trial", "ended", "epoch", *(SHORT.get(name, name) for name in names)]
    table = plain_table(headers, [])
    table.add_column("configuration", overflow="fold")
    for each in ranked(trials, metric)[:rows]:
        best = each.best(metric)
        assert best is not None
        number = f"{each.number:03d}" + (" paper" if each.number == PAPER_TRIAL else "")
        epoch = f"{best.epoch}/{len(each.history)}"
        values = [f"{best.metrics[name]:.3f}" for name in names]
        varied = named_values(space.point(each.config.model_dump()))
        table.add_row(number, each.ending or "running", epoch, *values, varied)
    return table


def gain(trials: Sequence[TrialRecord], metric: str) -> str:
    """The paper's configuration against the best, in one sentence."""
    order = ranked(trials, metric)
    paper = next((each for each in order if each.number == PAPER_TRIAL), None)
    if paper is None or len(order) < 2:
        return "There is nothing to compare the paper's configuration with yet."
    if order[0] is paper:
        return f"No trial was better than the paper's configuration ({_values(paper, metric)})."
    return (
        f"The paper's configuration: {_values(paper, metric)}. "
        f"The best, trial {order[0].number:03d}: {_values(order[0], metric)}."
    )


def _values(trial: TrialRecord, metric: str) -> str:
    best = trial.best(metric)
    assert best is not None
    names = dict.fromkeys([metric, "val/accuracy", "gap"])
    return ", ".join(f"{name.removeprefix('val/')} {best.metrics[name]:.3f}" for name in names)


def spent(trials: Sequence[TrialRecord], epochs: int) -> str:
    """Trials by how they ended, and the epochs that stopping saved, in one sentence."""
    endings = [each.ending or "running" for each in trials]
    counts = ", ".join(f"{endings.count(ending)} {ending}" for ending in dict.fromkeys(endings))
    used = sum(len(each.history) for each in trials)
    saved = sum(epochs - len(each.history) for each in trials if each.ending == "stopped")
    return f"Trials: {len(trials)} ({counts}). Epochs: {used}, and {saved} saved by stopping early."


def note(trials: Sequence[TrialRecord], settings: StudySettings) -> str:
    """The outcome as Markdown, for the head of the study's page."""
    return f"{gain(trials, settings.metric)}\n\n{spent(trials, settings.epochs)}"
