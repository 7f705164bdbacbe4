"""The SQLite file of a local store: made whole, or found fit to be written to."""

import os
import sqlite3
import tempfile
from contextlib import closing
from pathlib import Path

from fer_tune.common.errors import UserError

RUN_SEARCH_HINT = "run a search first, or say where with --tracking-uri"


def ensure_sqlite_database(database: Path, create: bool) -> None:
    """Make sure that MLflow can open the file.

    database: absolute.
    create: it and its folder, if missing.
    Raises UserError where it is missing, cannot be written to or is something else.
    """
    folder = database.parent
    if {"?", "%"} & set(str(database)):  # they would lead elsewhere, and MLflow tries for minutes
        raise UserError(f"tracking store {database}: no database's address may hold '?' or '%'")
    if not create and not database.exists():
        raise UserError(f"no studies in {folder}; {RUN_SEARCH_HINT}")
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            pass
        if not database.exists():
            _create_database(database)
        with closing(sqlite3.connect(database)) as connection:
            connection.execute("PRAGMA schema_version")
    except OSError as error:
        raise UserError(
            f"tracking store {folder}: cannot be written to ({error.strerror}); "
            "give another with --tracking-uri"
        ) from error
    except sqlite3.DatabaseError as error:
        raise UserError(
            f"tracking store {database}: {error}; move the file away or give another store"
        ) from error
    if not os.access(database, os.W_OK):
        raise UserError(f"tracking store {database}: is read-only; make it writable")


def _create_database(database: Path) -> None:
    """Beside its place and then moved there whole.

    MLflow's migration takes seconds, spoils a database if it is killed, and two of them in one new
    database spoil each other.
    """
    from mlflow.store.tracking.sqlalchemy_store import SqlAlchemyStore

    with tempfile.TemporaryDirectory(prefix=".new-", dir=database.parent) as folder:
        fresh = Path(folder) / database.name
        store = SqlAlchemyStore(f"sqlite:///{fresh}", (database.parent / "artifacts").as_uri())
        store.engine.dispose()
        # Unlike a rename, a link never takes the place of a database made meanwhile.
        try:
            os.link(fresh, database)
        except OSError:  # it is there, or the filesystem has no links
            if not database.exists():
                fresh.rename(database)
