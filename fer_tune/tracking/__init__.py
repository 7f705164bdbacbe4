"""The record of every study in MLflow; the only package that knows MLflow."""

import logging
import os

# MLflow reads some of these when it is imported. They turn off its telemetry and its messages, and
# limit its retries.
for _name, _value in {
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT": "true",
    "MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR": "false",
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "2",
    "MLFLOW_HTTP_REQUEST_TIMEOUT": "30",
    "MLFLOW_LOGGING_LEVEL": "ERROR",
}.items():
    os.environ.setdefault(_name, _value)
logging.getLogger("alembic").setLevel(logging.WARNING)
# Both log the traceback of an error that is also raised, or of Ctrl-C during a call.
for _name in ("mlflow.store.db.utils", "sqlalchemy.pool"):
    logging.getLogger(_name).setLevel(logging.CRITICAL)
