"""The names of studies and models in the store of the working folder, for completion in shells."""

import sqlite3
from contextlib import closing, suppress

from fer_tune.tracking import tags
from fer_tune.tracking.store_address import DEFAULT_DATABASE

_STUDIES = f"""
SELECT DISTINCT value FROM tags JOIN runs USING (run_uuid)
WHERE key = '{tags.STUDY}' AND lifecycle_stage = 'active'
"""
_MODELS = """
SELECT name || '@' || alias FROM registered_model_aliases UNION
SELECT name || '/' || version FROM model_versions WHERE current_stage <> 'Deleted_Internal'
"""
QUERIES = {"studies": _STUDIES, "models": _MODELS}


def list_stored_names(kind: str) -> list[str]:
    """Return names of one of the kinds in QUERIES; none if there is no store.

    A key press waits for the names. So they are read without MLflow, whose import takes seconds.
    """
    address = f"{DEFAULT_DATABASE.absolute().as_uri()}?mode=ro"
    with suppress(sqlite3.Error), closing(sqlite3.connect(address, uri=True)) as connection:
        return [name for (name,) in connection.execute(QUERIES[kind])]
    return []
