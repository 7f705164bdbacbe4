"""The tracking store of a study: its address in study.json, and where the store is now.

A folder may be moved or copied with all its contents. So study.json has no address for the store
next to the studies. Another store below the working folder has a path from the study's folder.
"""

import os
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from fer_tune.common.disk_or_bucket import is_bucket
from fer_tune.common.errors import UserError
from fer_tune.study.records.event_log import find_start_time
from fer_tune.study.records.settings import StudySettings
from fer_tune.study.records.study_storage import StudyStorage
from fer_tune.tracking.find_study_run import is_study_recorded
from fer_tune.tracking.store import open_store
from fer_tune.tracking.store_address import (
    DEFAULT_DATABASE,
    find_local_database,
    resolve_tracking_uri,
)


def format_store_address(uri: str | None, storage: StudyStorage, name: str) -> str | None:
    """Return the address of a store for study.json.

    uri: the store, as the user names it (see `open_store`).
    name: the study, which lies in the storage.
    """
    database, folder = find_local_database(uri), storage.local_dir / name
    if database is None:
        return uri
    if is_bucket(str(storage)):  # another machine reads the same study.json
        return None if _is_same(database, DEFAULT_DATABASE) else resolve_tracking_uri(uri)
    if _is_same(database, _find_neighbour(storage)):
        return None
    if any(path.is_absolute() or ".." in path.parts for path in (database, folder)):
        return resolve_tracking_uri(uri)
    return os.path.relpath(database, folder)


def find_store_uri(settings: StudySettings, storage: StudyStorage) -> str:
    """Return the address of the store that has the study, or is to have it.

    Raises UserError if a store on this machine is not where study.json says.
    """
    folder, address = storage.local_dir / settings.name, settings.tracking_uri
    usual = [_find_neighbour(storage), DEFAULT_DATABASE]
    existing = [database for database in usual if database.exists()]
    if address is None:
        return _to_uri((existing or usual[-1:])[0])
    if ":" not in address:
        database: Path | None = (folder / address).resolve()
    elif database := find_local_database(address):
        # Older versions wrote an absolute address for every local store.
        database = _find_moved_store(existing, database, settings.name, folder) or database
    if database is None:
        return address
    if not (database.exists() or _is_same(database, usual[0])):
        raise UserError(
            f"study {settings.name}: its MLflow store {database} does not exist; name its new "
            "path, or a folder for a new store, with --tracking-uri"
        )
    return _to_uri(database)


def _find_neighbour(storage: StudyStorage) -> Path:
    """Return the database of the store that contains the storage: that of mlruns/studies."""
    return storage.local_dir.parent / DEFAULT_DATABASE.name


def _is_same(one: Path, other: Path) -> bool:
    return os.path.realpath(one) == os.path.realpath(other)


def _to_uri(database: Path) -> str:
    return resolve_tracking_uri(f"sqlite:///{database}")


def _find_moved_store(
    databases: Sequence[Path], recorded: Path, name: str, folder: Path
) -> Path | None:
    """Return the first of these databases that has the study and was in the recorded place."""
    if any(_is_same(database, recorded) for database in databases):
        return None
    for database in databases:
        with suppress(UserError):
            store = open_store(_to_uri(database), create=False, needs_write=False)
            if is_study_recorded(store, name, find_start_time(folder)):
                return database
    return None
