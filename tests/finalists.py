"""Trials with repeats, for tests."""

from dataclasses import replace

from fer_tune.events import Ending
from fer_tune.scoring.metrics import EpochResult
from fer_tune.study.records.trial_record import NUMBERS_PER_SEED, TrialRecord
from fer_tune.trial_config import BASELINE

METRIC = "val/macro_f1"


def make_trial(
    number: int, score: float, *further: float | None, gap: float = 0.1, gaps: float = 0.1
) -> TrialRecord:
    """Return a completed trial with the scores of its repeats; None for a failed one.

    gap, gaps: of the trial, and of its repeats.
    """
    history = [EpochResult(1, {METRIC: score, "val/accuracy": score, "gap": gap}, [])]
    trial = TrialRecord(number, f"{number:03d}", BASELINE, history, "finished")
    for seed, value in enumerate(further, start=2):
        epoch = [] if value is None else [EpochResult(1, {METRIC: value, "gap": gaps}, [])]
        add_repeat(trial, seed, *epoch, ending="failed" if value is None else "finished")
    return trial


def add_repeat(
    trial: TrialRecord, seed: int, *history: EpochResult, ending: Ending | None = "finished"
) -> TrialRecord:
    """Add a repeat with these epochs to the trial, and return it."""
    number = seed * NUMBERS_PER_SEED + trial.number
    name = f"{trial.name}, seed {seed}"
    repeat = replace(trial, number=number, name=name, repeat_of=trial.number, repeats=[])
    repeat.history, repeat.ending = [*history], ending
    trial.repeats.append(repeat)
    return repeat
