"""Checkpoints of a study's trials: their folders, and which of them are deleted."""

from fer_tune.common.disk_or_bucket import Directory
from fer_tune.common.errors import explain_os_errors
from fer_tune.events import RESUMABLE_ENDINGS, Event, TrialEnded
from fer_tune.study.ranking import rank_trials
from fer_tune.study.records.settings import StudySettings
from fer_tune.study.records.trial_record import TrialRecords
from fer_tune.trial.delete_checkpoint import delete_checkpoint

CHECKPOINTS = "checkpoints"  # the folder of all checkpoints, in a study's folder


def trial_dirname(number: int) -> str:
    """Return the name of a trial's folder."""
    return f"trial-{number:06d}"


def checkpoint_directory(study_dir: Directory, number: int) -> Directory:
    """Return the folder in which a trial of a study saves its newest state."""
    return study_dir / CHECKPOINTS / trial_dirname(number)


class CheckpointPruner:
    """An observer that deletes the checkpoints of trials that ended, except the best trial's.

    It also keeps those of the trials that may become the best as finalists. It can replay the
    events of a whole study: it then keeps the same checkpoints.

    study_dir: the study's folder.
    trials: observe the events before this observer.
    Raises UserError if a checkpoint cannot be deleted.
    """

    def __init__(self, study_dir: Directory, trials: TrialRecords, settings: StudySettings) -> None:
        self._study_dir, self._trials, self._settings = study_dir, trials, settings
        self._kept: list[int] = []

    def on_event(self, event: Event) -> None:
        if not isinstance(event, TrialEnded) or event.ending in RESUMABLE_ENDINGS:
            return
        # Of two equal trials, the first is the best. Checkpoints of repeats are not kept.
        numbers = [*self._kept, event.number]
        records = [self._trials[number] for number in numbers]
        trials = [record for record in records if record.repeat_of is None]
        metric, max_gap = self._settings.metric, self._settings.space.max_gap
        first = rank_trials(trials, metric, max_gap, by_first_score=True)
        best = (*first[: self._settings.finalists], *rank_trials(trials, metric, max_gap)[:1])
        self._kept = list(dict.fromkeys(trial.number for trial in best))
        for loser in {*numbers} - {*self._kept}:
            directory = checkpoint_directory(self._study_dir, loser)
            with explain_os_errors(f"the checkpoint in {directory} cannot be deleted"):
                delete_checkpoint(directory)
