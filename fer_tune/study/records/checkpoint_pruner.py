"""The checkpoints of a study's trials: where they are, and which are kept."""

import math
from collections.abc import Mapping

from fer_tune.common.errors import UserError
from fer_tune.common.filesystem import Directory
from fer_tune.events import RESUMABLE_ENDINGS, EpochEnded, Event, TrialEnded
from fer_tune.scoring.metrics import is_better
from fer_tune.study.ranking import ranking_key
from fer_tune.trial.checkpoint_file import delete_checkpoint

CHECKPOINTS = "checkpoints"  # the folder of all of them, in a study's


def trial_dirname(number: int) -> str:
    """The name of a trial's folder."""
    return f"trial-{number:06d}"


def checkpoint_directory(study_dir: Directory, number: int) -> Directory:
    """Where a trial of the study in `study` keeps its newest state."""
    return study_dir / CHECKPOINTS / trial_dirname(number)


class CheckpointPruner:
    """Keeps the checkpoints of the best trial and of those that may go on; an observer.

    Told of a whole study again, it finds the same trial to keep. Raises UserError where a
    checkpoint cannot be removed.
    """

    def __init__(self, study_dir: Directory, metric: str, max_gap: float | None = None) -> None:
        self._folder, self._metric, self._max_gap = study_dir, metric, max_gap
        # Of the trials that may go on, the metrics of their best epochs.
        self._scoring: dict[int, Mapping[str, float]] = {}
        self._best: int | None = None
        self._place = (-math.inf, -math.inf)  # how the best trial stands

    def on_event(self, event: Event) -> None:
        match event:
            case EpochEnded(number=number, result=result):
                best = self._scoring.get(number, {}).get(self._metric)
                if is_better(self._metric, result.metrics[self._metric], best):
                    self._scoring[number] = result.metrics
            case TrialEnded(number=number, ending=ending):
                if ending not in RESUMABLE_ENDINGS:
                    loser = self._update_best(number, is_completed=ending == "finished")
                    if loser is not None and loser != self._best:
                        self._remove_checkpoint(loser)

    def _remove_checkpoint(self, number: int) -> None:
        folder = checkpoint_directory(self._folder, number)
        try:
            delete_checkpoint(folder)
        except OSError as error:
            raise UserError(f"the checkpoint in {folder} cannot be deleted: {error}") from error

    def _update_best(self, number: int, *, is_completed: bool) -> int | None:
        """Of the trial that ended and the best before it, the worse."""
        metrics = self._scoring.pop(number, None)
        if metrics is None:
            return number
        place = ranking_key(metrics, self._metric, self._max_gap, is_completed=is_completed)
        if place <= self._place:
            return number
        before, self._best, self._place = self._best, number, place
        return before
