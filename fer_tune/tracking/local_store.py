"""A local store: its database, and the addresses of its artifacts after a move or a copy.

MLflow records absolute addresses of artifacts. A process may also see the store under another path
than the process that recorded them, for example in a container.
"""

import os
import re
import sqlite3
import tempfile
from contextlib import closing, suppress
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import unquote

from fer_tune.common.errors import MissingStudyError, UserError, explain_os_errors

if TYPE_CHECKING:
    from mlflow.store.artifact.local_artifact_repo import LocalArtifactRepository


EXPERIMENT = "fer_tune"
ARTIFACTS_FOLDER = "artifacts"  # next to the database; it has the artifacts of the experiment

_ADDRESS_COLUMNS = (
    ("experiments", "artifact_location"),
    ("runs", "artifact_uri"),
    ("logged_models", "artifact_location"),
    ("model_versions", "source"),
    ("model_versions", "storage_location"),
)
# Processes that see the store under different paths may each have recorded some runs.
_RECORDED_FOLDERS = """
SELECT artifact_location FROM experiments WHERE name = :experiment UNION
SELECT substr(artifact_uri, 1, length(artifact_uri) - length(run_uuid) - length('//artifacts'))
FROM runs JOIN experiments USING (experiment_id) WHERE experiments.name = :experiment
"""
_REPLACE_PREFIX = """
UPDATE {table} SET {column} = :new || substr({column}, length(:old) + 1)
WHERE {column} = :old OR substr({column}, 1, length(:old) + 1) = :old || '/'
"""
# The folder of all artifacts, and in it that of a run or model.
_ARTIFACT_PATH = re.compile(rf"(.*/{ARTIFACTS_FOLDER})/((?:models/)?[^/]+(?:/artifacts)?)")


def update_artifact_addresses(database: Path) -> None:
    """Replace the addresses of artifacts in a database that was moved or copied with them.

    MLflow's UI and its model server read these addresses. Commands of fer_tune also work without
    (see `follow_moved_artifacts`), so a database that cannot be written is left as it is.

    database: absolute path of an SQLite database.
    """
    with (
        suppress(sqlite3.Error, OSError),
        closing(sqlite3.connect(database)) as connection,
        connection,  # one transaction
    ):
        rows = connection.execute(_RECORDED_FOLDERS, {"experiment": EXPERIMENT}).fetchall()
        for former in {_to_path(address or "") for (address,) in rows}:
            if _has_moved(former, database):
                _replace_folder(connection, former.parent, database.parent)


def _replace_folder(connection: sqlite3.Connection, former: Path, folder: Path) -> None:
    """Replace the addresses of what lies in the store's folder now."""
    names = {entry.name for entry in folder.iterdir() if entry.is_dir()} | {ARTIFACTS_FOLDER}
    for name in names:
        for write in (Path.as_uri, str):  # MLflow records both forms
            values = {"old": write(former / name), "new": write(folder / name)}
            for table, column in _ADDRESS_COLUMNS:
                connection.execute(_REPLACE_PREFIX.format(table=table, column=column), values)


def follow_moved_artifacts() -> None:
    """Make MLflow, in this process, find the artifacts of a moved store.

    Needed if its database cannot be written, or if another process, which sees the store under
    another path, writes to it now.
    """
    from mlflow.store.artifact import artifact_repository_registry
    from mlflow.tracking._tracking_service import utils

    utils._artifact_repos_cache.clear()  # by the ID of a run, which a copy shares
    for scheme in ("", "file"):
        artifact_repository_registry._artifact_repository_registry.register(scheme, _open_artifacts)


def _open_artifacts(
    artifact_uri: str, tracking_uri: str | None = None, registry_uri: str | None = None
) -> "LocalArtifactRepository":
    from mlflow.store.artifact.local_artifact_repo import LocalArtifactRepository

    match = _ARTIFACT_PATH.fullmatch(str(_to_path(artifact_uri)))
    if match and tracking_uri and tracking_uri.startswith("sqlite:///"):
        database = Path(tracking_uri.removeprefix("sqlite:///"))
        if _has_moved(Path(match[1]), database):
            artifact_uri = (database.parent / ARTIFACTS_FOLDER / match[2]).as_uri()
    return LocalArtifactRepository(artifact_uri, tracking_uri, registry_uri)


def _to_path(address: str) -> Path:
    """Return the path of a local address; of any other, a path that does not exist."""
    is_uri = address.startswith("file://")
    return Path(unquote(address.removeprefix("file://")) if is_uri else address)


def _has_moved(former: Path, database: Path) -> bool:
    """Return whether the artifacts recorded in `former` belong next to the database."""
    if former.name != ARTIFACTS_FOLDER or not former.is_absolute():
        return False
    if not os.access(former, os.F_OK):  # unlike Path.exists, false in a folder closed to us
        return True
    # One folder may have two paths here, such as a link's. A folder without a database is where
    # the user keeps the artifacts of this store; with one, it is that of the copy's original.
    is_same = os.path.realpath(former.parent) == os.path.realpath(database.parent)
    return not is_same and any(former.parent.glob("*.db"))


RUN_SEARCH_HINT = "run a search first, or name the store with --tracking-uri"


def ensure_sqlite_database(database: Path, create: bool, needs_write: bool) -> None:
    """Make sure that MLflow can open the database.

    database: absolute path of the file.
    create: create the file and its folder if they are missing.
    needs_write: a database that cannot be written to is an error.
    Raises UserError if the file is missing, cannot be used or is no database.
    """
    folder = database.parent
    # In an address these characters mean something else, and MLflow would retry for minutes.
    if {"?", "%"} & set(str(database)):
        raise UserError(f"tracking store {database}: its path may not hold '?' or '%'; use another")
    if not create and not os.path.lexists(database):
        raise MissingStudyError(f"no studies in {folder}; {RUN_SEARCH_HINT}")
    if create or needs_write:
        _make_writable_database(database)
    try:
        with closing(sqlite3.connect(database)) as connection:
            connection.execute("PRAGMA schema_version")
    except sqlite3.DatabaseError as error:
        advice = "move the file away or use another --tracking-uri"
        if isinstance(error, sqlite3.OperationalError):
            advice = "check that you may read the file"
        raise UserError(f"tracking store {database}: {error}; {advice}") from error


def _make_writable_database(database: Path) -> None:
    problem = f"tracking store {database.parent} cannot be written"
    advice = "copy the folder to a place that can be written, or use another --tracking-uri"
    with explain_os_errors(problem, advice):
        database.parent.mkdir(parents=True, exist_ok=True)
        tempfile.TemporaryFile(dir=database.parent).close()
        if not database.exists():
            _create_database(database)
    if not os.access(database, os.W_OK):
        raise UserError(f"tracking store {database}: is read-only; make it writable")


def _create_database(database: Path) -> None:
    """Create the database in a temporary folder, then move it to its path.

    MLflow's migration takes seconds. If it is killed, or if two run at once, the database breaks.
    """
    from mlflow.store.tracking.sqlalchemy_store import SqlAlchemyStore

    with tempfile.TemporaryDirectory(prefix=".new-", dir=database.parent) as folder:
        fresh = Path(folder) / database.name
        store = SqlAlchemyStore(f"sqlite:///{fresh}", database.with_name(ARTIFACTS_FOLDER).as_uri())
        store.engine.dispose()
        # Unlike a rename, a link never replaces a database that was created in the meantime.
        try:
            os.link(fresh, database)
        except OSError:  # the database exists, or the filesystem has no links
            if not database.exists():
                fresh.rename(database)
