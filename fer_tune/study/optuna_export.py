"""A study as Optuna keeps one, in a file that optuna-dashboard opens."""

from collections.abc import Sequence
from pathlib import Path

from fer_tune.common import atomic
from fer_tune.scoring.metrics import metric_direction
from fer_tune.study.records.settings import StudySettings
from fer_tune.study.records.trial_record import TrialRecord

FILE = "optuna.log"


def export_optuna_study(
    folder: Path, settings: StudySettings, trials: Sequence[TrialRecord]
) -> str | None:
    """Put the trials that are over, and those known of others, into an Optuna study in `folder`.

    Whole or not at all, and from the start: while it runs, a study does without such a file, which
    would hold every trial in the driver's memory.
    Returns one line about what kept it from being written, or None.
    """
    partial = folder / atomic.make_partial_name(FILE)
    try:
        _write_optuna_log(partial, settings, trials)
        partial.replace(folder / FILE)
    except OSError as error:
        partial.unlink(missing_ok=True)
        return f"{folder / FILE}, for optuna-dashboard, cannot be written: {error.strerror}"
    return None


def _write_optuna_log(path: Path, settings: StudySettings, trials: Sequence[TrialRecord]) -> None:
    import optuna
    from optuna.storages import JournalStorage
    from optuna.storages.journal import JournalFileBackend

    from fer_tune.study.optuna_trials import to_frozen_trials

    optuna.logging.set_verbosity(optuna.logging.WARNING)
    study = optuna.create_study(
        storage=JournalStorage(JournalFileBackend(str(path))),
        study_name=settings.name,
        direction="minimize" if metric_direction(settings.metric) == "min" else "maximize",
    )
    study.set_user_attr("metric", settings.metric)
    study.add_trials(to_frozen_trials(trials, settings))
