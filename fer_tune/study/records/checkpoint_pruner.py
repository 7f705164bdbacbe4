"""Checkpoints of a study's trials: their folders, and which of them are deleted."""

import math
import re
from collections.abc import Mapping

from fer_tune.common.disk_or_bucket import Directory
from fer_tune.common.errors import explain_os_errors
from fer_tune.events import RESUMABLE_ENDINGS, EpochEnded, Event, TrialEnded
from fer_tune.scoring.metrics import is_better, ranking_key
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
    metric: ranks the trials, together with `max_gap` (`ranking_key`).
    Raises UserError if a checkpoint cannot be deleted.
    """

    def __init__(self, study_dir: Directory, metric: str, max_gap: float | None = None) -> None:
        self._study_dir, self._metric, self._max_gap = study_dir, metric, max_gap
        # The metrics of the best epochs of trials that may continue.
        self._best_metrics: dict[int, Mapping[str, float]] = {}
        self._best: int | None = None
        self._best_key = (-math.inf, -math.inf)

    def on_event(self, event: Event) -> None:
        match event:
            case EpochEnded(number=number, result=result):
                best = self._best_metrics.get(number, {}).get(self._metric)
                if is_better(self._metric, result.metrics[self._metric], best):
                    self._best_metrics[number] = result.metrics
            case TrialEnded(number=number, ending=ending) if ending not in RESUMABLE_ENDINGS:
                loser = self._update_best(number, is_completed=ending == "finished")
                if loser is not None and loser != self._best:
                    directory = checkpoint_directory(self._study_dir, loser)
                    with explain_os_errors(f"the checkpoint in {directory} cannot be deleted"):
                        delete_checkpoint(directory)

    def _update_best(self, number: int, *, is_completed: bool) -> int | None:
        """Return the worse of two trials: the one that ended, and the best one before it."""
        metrics = self._best_metrics.pop(number, None)
        if metrics is None:
            return number
        key = ranking_key(metrics, self._metric, self._max_gap, is_completed=is_completed)
        if key <= self._best_key:
            return number
        before, self._best, self._best_key = self._best, number, key
        return before
