"""Text files among the artifacts of a run."""

from contextlib import suppress
from pathlib import Path
from tempfile import TemporaryDirectory

from fer_tune.tracking.queries import StudyRun
from fer_tune.tracking.store import Store

REPORT_FILE = "report.html"


def read_text(store: Store, run_id: str, name: str) -> str:
    """Return the text of an artifact.

    Raises MlflowException or OSError if the run has no artifact of this name, or the store fails.
    """
    # mlflow.artifacts.load_text does this too, but only in the global tracking URI.
    with TemporaryDirectory() as folder:
        path = store.create_client().download_artifacts(run_id, name, folder)
        return Path(path).read_text(encoding="utf-8")


def find_text(store: Store, run_id: str, name: str) -> str | None:
    """Return the text of an artifact; None if it cannot be read."""
    from mlflow.exceptions import MlflowException

    with suppress(MlflowException, OSError):
        return read_text(store, run_id, name)
    return None


def log_report(store: Store, study: StudyRun, page: str) -> None:
    """Log the report as an artifact of the study's run. Raises UserError if that fails."""
    with store.explain_errors(f"{store}: cannot keep the report"):
        store.create_client().log_text(study.run_id, page, REPORT_FILE)
