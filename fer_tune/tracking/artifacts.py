"""What a report reads of a study in MLflow, and leaves there."""

import tempfile
from collections.abc import Sequence
from pathlib import Path

from fer_tune.common.errors import UserError
from fer_tune.scoring.metrics import EpochResult
from fer_tune.tracking.queries import StudyRun, TrialRun
from fer_tune.tracking.store import Store, summarize_error

REPORT_FILE = "report.html"


def read_text_artifact(store: Store, run_id: str, name: str) -> str | None:
    """A text among the artifacts of a run; None without one."""
    from mlflow.exceptions import MlflowException

    with tempfile.TemporaryDirectory() as folder:
        try:
            path = store.create_client().download_artifacts(run_id, name, folder)
        except (MlflowException, OSError):
            return None
        return Path(path).read_text(encoding="utf-8")


def load_metric_history(store: Store, trial: TrialRun, names: Sequence[str]) -> list[EpochResult]:
    """The trial's epochs with these metrics; only those that have them all.

    Confusion matrices of single epochs are not in MLflow: they are left empty.
    """
    client = store.create_client()
    values: dict[int, dict[str, float]] = {}
    for name in names:
        for metric in client.get_metric_history(trial.run_id, name):
            values.setdefault(metric.step, {})[name] = metric.value
    whole = {epoch: found for epoch, found in values.items() if len(found) == len(set(names))}
    return [EpochResult(epoch, whole[epoch], ()) for epoch in sorted(whole)]


def log_report(store: Store, study: StudyRun, page: str) -> None:
    """Put the page among the artifacts of the study's run. Raises UserError where that fails."""
    from mlflow.exceptions import MlflowException

    try:
        store.create_client().log_text(study.run_id, page, REPORT_FILE)
    except (MlflowException, OSError) as error:
        raise UserError(
            f"{store}: the report is not kept there ({summarize_error(error)})"
        ) from error
