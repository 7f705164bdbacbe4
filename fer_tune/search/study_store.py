"""The tracking store of a study: its address in study.json, and where the store is now.

A folder may be moved or copied with all its contents. So study.json has no address for the store
next to the studies. Another store below the working folder has a path from the study's folder.
"""

import os
from pathlib import Path

from fer_tune.common.disk_or_bucket import is_bucket
from fer_tune.common.errors import UserError
from fer_tune.study.records.settings import StudySettings
from fer_tune.study.records.study_storage import StudyStorage
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
    database, is_in_bucket = find_local_database(uri), is_bucket(str(storage))
    if database is None:
        return uri
    if _is_same(database, DEFAULT_DATABASE if is_in_bucket else _find_neighbour(storage)):
        return None
    paths = [os.path.realpath(path) for path in (database, storage.local_dir / name)]
    # Another machine reads the same study.json in a bucket.
    if is_in_bucket or not all(Path(path).is_relative_to(Path.cwd()) for path in paths):
        return resolve_tracking_uri(uri)
    return os.path.relpath(*paths)


def find_store_uri(settings: StudySettings, storage: StudyStorage) -> str:
    """Return the address of the store that has the study, or is to have it.

    Raises UserError if a store on this machine is not where study.json says.
    """
    address, database = settings.tracking_uri, _find_neighbour(storage)
    if address is None:
        return _to_uri(database if database.exists() else DEFAULT_DATABASE)
    if ":" not in address:
        address = _to_uri((storage.local_dir / settings.name / address).resolve())
    recorded = find_local_database(address)
    if recorded and not (recorded.exists() or _is_same(recorded, database)):
        problem = f"study {settings.name}: its MLflow store {recorded} does not exist"
        advice = "name its new path, or a folder for a new store, with --tracking-uri"
        raise UserError(f"{problem}; {advice}")
    return resolve_tracking_uri(address)


def _find_neighbour(storage: StudyStorage) -> Path:
    """Return the database of the store that contains the storage: that of mlruns/studies."""
    return storage.local_dir.parent / DEFAULT_DATABASE.name


def _is_same(one: Path, other: Path) -> bool:
    return os.path.realpath(one) == os.path.realpath(other)


def _to_uri(database: Path) -> str:
    return resolve_tracking_uri(f"sqlite:///{database}")
