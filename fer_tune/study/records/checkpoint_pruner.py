"""Checkpoints of a study's trials: their folders, and which of them are deleted."""

import re

from fer_tune.common.disk_or_bucket import Directory
from fer_tune.common.errors import explain_os_errors
from fer_tune.events import RESUMABLE_ENDINGS, Event, TrialEnded
from fer_tune.study.ranking import rank_trials
from fer_tune.study.records.trial_record import TrialRecords
from fer_tune.trial.delete_checkpoint import delete_checkpoint

CHECKPOINTS = "checkpoints"  # the folder of all checkpoints, in a study's folder


def trial_dirname(number: int) -> str:
    """Return the name of a trial's folder."""
    return f"trial-{number:06d}"


def is_trial_dirname(name: str) -> bool:
    """Return whether a folder of this name is a trial's."""
    return re.fullmatch(r"trial-\d{6,}", name) is not None


def checkpoint_directory(study_dir: Directory, number: int) -> Directory:
    """Return the folder in which a trial of a study saves its newest state."""
    return study_dir / CHECKPOINTS / trial_dirname(number)


class CheckpointPruner:
    """An observer that deletes the checkpoints of trials that ended, except the best trial's.

    It can replay the events of a whole study: it then keeps the same checkpoint.

    study_dir: the study's folder.
    trials: observe the events before this observer.
    metric: ranks the trials, together with `max_gap` (`rank_trials`).
    Raises UserError if a checkpoint cannot be deleted.
    """

    def __init__(
        self, study_dir: Directory, trials: TrialRecords, metric: str, max_gap: float | None = None
    ) -> None:
        self._study_dir, self._trials = study_dir, trials
        self._metric, self._max_gap = metric, max_gap
        self._best: int | None = None

    def on_event(self, event: Event) -> None:
        if not isinstance(event, TrialEnded) or event.ending in RESUMABLE_ENDINGS:
            return
        # Of two equal trials, the first is the best.
        numbers = [number for number in (self._best, event.number) if number is not None]
        ranked = rank_trials(map(self._trials.__getitem__, numbers), self._metric, self._max_gap)
        self._best = ranked[0].number if ranked else None
        for loser in {*numbers} - {self._best}:
            directory = checkpoint_directory(self._study_dir, loser)
            with explain_os_errors(f"the checkpoint in {directory} cannot be deleted"):
                delete_checkpoint(directory)
