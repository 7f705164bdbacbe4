"""The SQLite database of a local store: created completely, or checked to be writable."""

import os
import sqlite3
import tempfile
from contextlib import closing
from pathlib import Path

from fer_tune.common.errors import MissingStudyError, UserError, explain_os_errors
from fer_tune.tracking.relocate_artifacts import ARTIFACTS_FOLDER

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
