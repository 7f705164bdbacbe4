"""A report made, written and kept in MLflow."""

import os
from pathlib import Path

from fer_tune.common import atomic
from fer_tune.common.errors import UserError
from fer_tune.data.faces import Splits
from fer_tune.data.load import reload_splits
from fer_tune.report.load_study import ReportedStudy, load_study
from fer_tune.report.page import render_report
from fer_tune.study.records.study_storage import StudyStorage
from fer_tune.tracking.artifacts import REPORT_FILE, log_report
from fer_tune.tracking.store import Store


def write_report(
    store: Store,
    name: str,
    storage: StudyStorage,
    *,
    splits: Splits | None = None,
    data: Path | None = None,
    output: Path | None = None,
) -> Path:
    """Write the report of the study called `name`, log it to the study's run; where it is now.

    splits: the study's faces where they are loaded already.
    data: where they are, if not where they were.
    output: None puts it beside the study's journal, or where that would be.
    Raises UserError without such a study, and where the page can be neither written nor logged.
    """
    study = load_study(store, name, storage)
    without = ""
    if splits is None:
        splits, without = _reload_faces(study, data)
    made = render_report(study, storage, splits, without)
    output = output or storage.local_dir / name / REPORT_FILE
    try:
        atomic.write_file(output, made.encode())
    except OSError as error:
        raise UserError(f"{output} cannot be written: {error.strerror}") from error
    log_report(store, study.run, made)
    return output


def _reload_faces(study: ReportedStudy, data: Path | None) -> tuple[Splits | None, str]:
    """The study's faces, or why there are none; an error where the user said where they are."""
    told = f"{os.fspath(data)}: these" if data else "The faces at hand"
    try:
        splits = reload_splits(data or study.run.data, skip_bad=study.run.skip_bad)
        if splits.content_hash() == study.run.faces_hash:
            return splits, ""
        problem = f"{told} are not the faces of study {study.run.name}"
    except UserError as error:
        if data:
            raise
        problem = f"The study's faces are not at hand ({error})"
    if data:
        raise UserError(problem)
    return None, f"{problem}: there are no pictures of them, and no audit; --data says where."
