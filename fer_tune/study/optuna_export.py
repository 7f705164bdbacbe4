"""Export of a study to a file that optuna-dashboard opens."""

from collections.abc import Sequence
from pathlib import Path

from fer_tune.common import atomic
from fer_tune.study.records.settings import StudySettings
from fer_tune.study.records.trial_record import TrialRecord

FILE = "optuna.log"


def export_optuna_study(
    folder: Path, settings: StudySettings, trials: Sequence[TrialRecord]
) -> str | None:
    """Write the prior trials, and the trials that have ended, as an Optuna study into `folder`.

    The file is written anew, and completely or not at all. A running study has no such file, as
    Optuna would hold every trial in the driver's memory.

    Returns a line for people if the file cannot be written, else None.
    """
    from optuna.storages import JournalStorage
    from optuna.storages.journal import JournalFileBackend

    from fer_tune.study.optuna_study import create_study, to_frozen_trials

    partial = folder / atomic.make_partial_name(FILE)
    try:
        storage = JournalStorage(JournalFileBackend(str(partial)))
        study = create_study(settings.metric, storage=storage, study_name=settings.name)
        study.set_user_attr("metric", settings.metric)
        metric, space = settings.metric, settings.space
        study.add_trials(to_frozen_trials(trials, metric, space, settings.known))
        atomic.move_to_final_path(partial, folder / FILE)
    except OSError as error:
        partial.unlink(missing_ok=True)
        return f"{folder / FILE}, for optuna-dashboard, cannot be written: {error.strerror}"
    return None
