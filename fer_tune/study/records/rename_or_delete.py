"""Renames and deletes the files of a study, in a folder or in a bucket with its local copy."""

import json
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

from fer_tune.common.disk_or_bucket import BucketDirectory, Directory, DiskDirectory
from fer_tune.common.lock import LOCK, hold_lock, is_lock_name
from fer_tune.study.records.settings import FILE
from fer_tune.study.records.study_storage import StudyStorage, explain_storage_errors


@contextmanager
def hold_study_locks(storage: StudyStorage, name: str) -> Iterator[None]:
    """Hold the locks of a study and of its retrainings, if it has a folder on this machine.

    Raises UserError if the study or a retraining runs.
    """
    folder = storage.local_dir / name
    with ExitStack() as stack:
        if folder.exists():
            for lock in {LOCK, *filter(is_lock_name, DiskDirectory(folder).list_names())}:
                task = f"study {name}" if lock == LOCK else f"a retraining of study {name}"
                stack.enter_context(hold_lock(folder / lock, task))
        yield


def list_study_directories(storage: StudyStorage, name: str) -> list[Directory]:
    """Return the places that have files of the study: a folder, or a bucket and its local copy."""
    shared, own = storage.open_study_directory(name), DiskDirectory(storage.local_dir / name)
    with explain_storage_errors(str(storage)):
        places: list[Directory] = [own] if isinstance(shared, DiskDirectory) else [shared, own]
        return [place for place in places if FILE in place.list_names()]


def delete_study_files(storage: StudyStorage, name: str) -> None:
    """Delete all files of a study; `study.json` last, so that a killed deletion can be repeated."""
    with explain_storage_errors(str(storage)):
        for place in list_study_directories(storage, name):
            _delete_all(place)


def _delete_all(place: Directory) -> None:
    last = (FILE, LOCK)
    for name in [*(name for name in place.list_names() if name not in last), *last]:
        place.delete(name)
    place.delete_if_empty()


def rename_study_files(storage: StudyStorage, old: str, new: str) -> None:
    """Rename a study's folder, or move its keys in the bucket, and change its name in the settings.

    A rename that was killed can be repeated. Until all files have moved, the new folder has
    settings with the old name, which no command accepts.

    Raises UserError if the new name is taken, or the files cannot be moved.
    """
    with explain_storage_errors(str(storage)):
        targets = list_study_directories(storage, new)
        if not any(json.loads(target.read(FILE))["name"] == old for target in targets):
            storage.check_name_available(new)
        for place in list_study_directories(storage, old):
            if isinstance(place, BucketDirectory):
                target = BucketDirectory(storage.address) / new
                target.write(FILE, place.read(FILE))
                place.copy_to(target)
                _delete_all(place)
            else:
                (storage.local_dir / old).rename(storage.local_dir / new)
        for place in list_study_directories(storage, new):
            _write_name(place, new)


def _write_name(place: Directory, name: str) -> None:
    settings = json.loads(place.read(FILE)) | {"name": name}
    place.write(FILE, json.dumps(settings, indent=2).encode(), private=True)
