"""The page: every section in its order, and all of it in one file."""

import os
import time
from collections.abc import Sequence
from pathlib import Path

from fer_tune.common import atomic
from fer_tune.common.errors import UserError
from fer_tune.common.text import pluralize
from fer_tune.data.faces import Splits
from fer_tune.data.load import reload_splits
from fer_tune.report.best_trial import build_best_trial_section
from fer_tune.report.complexity import build_complexity_section
from fer_tune.report.data_audit import build_data_audit_section
from fer_tune.report.data_plan_comparison import build_data_plan_section
from fer_tune.report.improvement import build_improvement_section
from fer_tune.report.learning_curves import build_learning_curves_section
from fer_tune.report.load_study import ReportedStudy, load_study
from fer_tune.report.overfitting import build_overfitting_section
from fer_tune.report.reproduce import build_reproduction_section
from fer_tune.report.sample_faces import build_face_sheets
from fer_tune.report.section import FaceSheet, Section
from fer_tune.study.records.checkpoint_pruner import checkpoint_directory
from fer_tune.study.records.study_storage import StudyStorage
from fer_tune.tracking import tags
from fer_tune.tracking.artifacts import REPORT_FILE, log_report
from fer_tune.tracking.store import Store

_FOLDER = Path(__file__).parent


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


def render_report(
    study: ReportedStudy, storage: StudyStorage, splits: Splits | None, missing_reason: str = ""
) -> str:
    """The report as HTML that needs no network and nothing beside it.

    storage: of the best trial's checkpoint, for the sheets of faces.
    splits: the study's faces; None where they are not at hand, and `without` says why.
    """
    shown, why = _build_sheets(study, storage, splits, missing_reason)
    sections = [
        build_improvement_section(study),
        build_overfitting_section(study),
        build_data_plan_section(study),
        build_complexity_section(study),
        build_learning_curves_section(study),
        build_best_trial_section(study, shown, why),
        build_data_audit_section(splits, missing_reason),
        build_reproduction_section(study),
    ]
    return render_html(study, sections)


def _build_sheets(
    study: ReportedStudy, storage: StudyStorage, splits: Splits | None, missing_reason: str
) -> tuple[list[FaceSheet], str]:
    """The sheets of faces, or why there are none."""
    from fer_tune.trial.checkpoint import BadCheckpoint

    if study.best is None:
        return [], ""
    if splits is None:
        return [], missing_reason
    missing = f"No faces are shown: the trial's checkpoint is not in {storage}."
    if not study.has_local_log:
        return [], missing
    kept = checkpoint_directory(storage.open_study_directory(study.run.name), study.best.number)
    try:
        return build_face_sheets(study, splits.validation, kept), ""
    except (OSError, BadCheckpoint):
        return [], missing


def render_html(study: ReportedStudy, sections: Sequence[Section]) -> str:
    """The sections as HTML; every text that comes from outside is escaped."""
    import jinja2

    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(_FOLDER),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    return environment.get_template("page.html").render(
        name=study.run.name,
        ending=study.run.ending or "running",
        trials=pluralize(len(study.trials), "trial"),
        source=study.run.tags.get(tags.SOURCE, "faces"),
        made=time.strftime("%Y-%m-%d %H:%M %Z"),
        style=(_FOLDER / "page.css").read_text(encoding="utf-8"),
        sections=sections,
    )
