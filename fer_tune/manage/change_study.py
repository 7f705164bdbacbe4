"""Deletes or renames a study: its runs in MLflow, its artifacts and its files."""

from dataclasses import dataclass

from rich.console import Console

from fer_tune.common.console import show_step
from fer_tune.common.errors import MissingStudyError, UserError
from fer_tune.common.safe_text import pluralize
from fer_tune.data.demo.demo_splits import DEMO_SOURCE
from fer_tune.defaults import STUDIES_FOLDER
from fer_tune.manage.study_table import find_storage
from fer_tune.study.records import event_log
from fer_tune.study.records.rename_or_delete import (
    delete_study_files,
    hold_study_locks,
    list_study_directories,
    rename_study_files,
)
from fer_tune.study.records.settings import read_settings
from fer_tune.study.records.study_storage import BucketStorage, StudyStorage, open_storage
from fer_tune.tracking import queries, tags
from fer_tune.tracking.find_study_run import explain_missing_study, find_parent_run
from fer_tune.tracking.rename_or_delete_runs import (
    StudyRuns,
    delete_parent_runs,
    delete_runs,
    find_study_runs,
    rename_study_runs,
)
from fer_tune.tracking.store import Store


@dataclass(frozen=True, eq=False)
class TargetStudy:
    """A study to change, as MLflow and the storage have it. One of the two may lack it."""

    console: Console
    store: Store
    name: str
    storage: StudyStorage
    runs: StudyRuns

    @property
    def places(self) -> list[str]:
        """The folders, and the bucket, that have its files."""
        return [str(each) for each in list_study_directories(self.storage, self.name)]


def find_target(console: Console, store: Store, name: str, storage: str | None) -> TargetStudy:
    """Return the study called `name`.

    storage: as the user names it; None for where the study was begun.
    Raises UserError if neither MLflow nor the storage has it, or if it may be running elsewhere.
    """
    with show_step(console, "reading the study"):
        runs = find_study_runs(store, name)
        recorded = runs.parents[0].data.tags.get(tags.STORAGE) if runs.parents else None
        address = find_storage(name, recorded, storage) or storage or str(STUDIES_FOLDER)
        target = TargetStudy(console, store, name, open_storage(address), runs)
        if not runs.parents and not target.places:
            missing = explain_missing_study(store, name)
            raise MissingStudyError(f"{missing}; {target.storage} does not have it either")
    # This machine does not see the lock of a study in a bucket, or in another storage.
    is_elsewhere = isinstance(target.storage, BucketStorage) or not target.places
    if runs.is_running and is_elsewhere:
        raise UserError(
            f"study {name}: MLflow shows it as running, perhaps on another machine; stop it there, "
            "or, if it was killed, end it: resume it and press Ctrl-C, or delete its run in MLflow"
        )
    return target


def delete_study(target: TargetStudy, *, ask: bool) -> None:
    """Delete the study after showing what is deleted and what stays.

    ask: wait for the user's consent.
    Raises UserError if the study runs, or something cannot be deleted.
    """
    console, name, runs = target.console, target.name, target.runs
    with hold_study_locks(target.storage, name):
        removable = runs.list_removable()
        evaluations = sum(tags.EVALUATED_MODEL in run.data.tags for run in removable)
        count = len(removable) + len(runs.parents) - evaluations
        console.print(f"Study {name}. To be deleted:")
        if count:
            where = f"  {pluralize(count, 'run')} with artifacts, in {target.store}"
            console.print(where, soft_wrap=True)
        if evaluations:
            console.print(f"  {pluralize(evaluations, 'evaluation')} of models that are deleted")
        for place in target.places:
            console.print(f"  all files in {place}", soft_wrap=True)
        if kept := runs.list_registered_models():
            text = f"These registered models stay, with their runs: {', '.join(kept)}."
            console.print(text, soft_wrap=True)
        if ask and not _confirm(console, "Delete all this for good?"):
            return
        try:
            with show_step(console, f"deleting study {name}"):
                delete_runs(target.store, removable)
                delete_study_files(target.storage, name)
                delete_parent_runs(target.store, runs)
        except KeyboardInterrupt:
            console.print("Stopped. The same command deletes the rest.")
            raise
    console.print(f"Study {name} is deleted.")


def rename_study(target: TargetStudy, new: str, *, ask: bool) -> None:
    """Rename the study after showing what is renamed.

    ask: wait for the user's consent.
    Raises UserError if the new name is taken, the study runs, or something cannot be renamed.
    """
    console, old, runs, storage = target.console, target.name, target.runs, target.storage
    if not runs.parents or runs.is_deleted:
        raise MissingStudyError(explain_missing_study(target.store, old))
    is_moved = not target.places and _has_moved(target, new)
    _check_new_name(target, new, is_moved=is_moved)
    with hold_study_locks(storage, old):
        count = len(runs.parents) + len(runs.trials) + sum(map(len, runs.retrainings))
        console.print(f"Study {old} gets the name {new}. To be changed:")
        console.print(f"  {pluralize(count, 'run')} in {target.store}", soft_wrap=True)
        for place in target.places:
            console.print(f"  {place}", soft_wrap=True)
        if ask and not _confirm(console, "Rename it?"):
            return
        try:
            with show_step(console, f"renaming study {old}"):
                if not is_moved:
                    rename_study_files(storage, old, new)
                rename_study_runs(target.store, runs, old, new)
                _export_again(storage, new)
        except KeyboardInterrupt:
            console.print("Stopped. The same command renames the rest.")
            raise
    console.print(f"Study {old} is now called {new}. A report that exists has the old name.")


def _check_new_name(target: TargetStudy, new: str, *, is_moved: bool) -> None:
    parent = target.runs.parents[0]
    if parent.data.tags.get(tags.SOURCE) == DEMO_SOURCE and not new.startswith("demo"):
        raise UserError(f"study name {new}: on demo faces it begins with demo; add it")
    if any(find_parent_run(target.store, new, deleted=each) for each in (False, True)):
        raise UserError(f"study {new} is already in {target.store}; take another name")
    if not target.places and not is_moved:
        where = "name the folder or bucket that has it with --storage"
        raise UserError(f"study {target.name} is not in {target.storage}; {where}")


def _has_moved(target: TargetStudy, new: str) -> bool:
    """Return whether a killed rename has moved the files already."""
    places = list_study_directories(target.storage, new)
    if not places:
        return False
    target.storage.fetch_study(new)
    folder = target.storage.local_dir / new
    study = queries.find_study(target.store, target.name)
    return event_log.find_start_time(folder) == queries.find_start_time(target.store, study)


def _export_again(storage: StudyStorage, name: str) -> None:
    """Write the file for optuna-dashboard again, since it has the study's name."""
    from fer_tune.study.optuna_study import EXPORT_FILE, export_optuna_study

    folder = storage.local_dir / name
    if (folder / EXPORT_FILE).exists():
        settings = read_settings(storage.local_dir, name)[1]
        export_optuna_study(folder, settings, event_log.read_trials(folder))


def _confirm(console: Console, question: str) -> bool:
    try:
        answer = input(f"{question} [y/N] ")
    except EOFError:
        raise UserError("nobody answers; add --yes to change the study without asking") from None
    if answer.strip().casefold() in ("y", "yes"):
        return True
    console.print("Nothing was changed.")
    return False
