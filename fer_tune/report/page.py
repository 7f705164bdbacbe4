"""The report page: all sections of a study in one HTML file."""

import sys
import time
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from rich.console import Console

from fer_tune.common import atomic
from fer_tune.common.cli import format_command_line
from fer_tune.common.console import show_step
from fer_tune.common.errors import UserError, explain_os_errors
from fer_tune.common.render_template import render_template
from fer_tune.common.safe_text import pluralize
from fer_tune.data.faces import Splits
from fer_tune.events import STATUS_WORDS
from fer_tune.report.ablation import build_ablation_section
from fer_tune.report.augmentation_and_model_size import build_augmentation_and_size_section
from fer_tune.report.best_against_baseline import build_baseline_section
from fer_tune.report.best_trial import build_best_trial_section
from fer_tune.report.data_audit import build_data_audit_section
from fer_tune.report.data_plan_comparison import build_data_plan_section
from fer_tune.report.finalists import build_finalists_section
from fer_tune.report.label_noise import build_label_noise_section
from fer_tune.report.learning_curves import build_learning_curves_section
from fer_tune.report.load_study import ReportedStudy, load_study
from fer_tune.report.overfitting import build_overfitting_section
from fer_tune.report.predicted_faces import build_face_sheets
from fer_tune.report.reproduce import build_reproduction_section
from fer_tune.report.section import FaceSheet, Section
from fer_tune.report.test_set import build_test_section
from fer_tune.report.training_steps import count_training_steps, get_faces_by_plan
from fer_tune.study.records.checkpoint_pruner import checkpoint_directory
from fer_tune.study.records.study_storage import StudyStorage
from fer_tune.tracking import tags
from fer_tune.tracking.store import Store, summarize_error
from fer_tune.tracking.tested_retraining import TestedRetraining, find_tested_retraining
from fer_tune.tracking.ui_view_and_links import REPORT_FILE, build_report_url


def write_report_or_warn(
    console: Console,
    store: Store,
    name: str,
    storage: StudyStorage,
    splits: Splits,
    store_options: Sequence[str],
) -> str | None:
    """Write the report of the study, and return where to open it; only warn if that fails.

    store_options: options of a command that finds the study.
    """
    try:
        with show_step(console, "writing the report (Ctrl-C skips it)"):
            return write_and_log_report(store, name, storage, splits=splits)
    except KeyboardInterrupt:
        command = format_command_line("fer_tune.report", ["--study", name, *store_options])
        print(f"No report was written; to write it: {command}", file=sys.stderr)
    except Exception as error:  # a study is worth more than its report
        print(f"Warning: no report of study {name}: {summarize_error(error)}", file=sys.stderr)
    return None


def write_and_log_report(
    store: Store,
    name: str,
    storage: StudyStorage,
    *,
    splits: Splits | None = None,
    moved: tuple[Path | None, Path | None] = (None, None),
    output: Path | None = None,
) -> str:
    """Write the report of the study called `name` and log it to MLflow; return where to open it.

    splits: the study's faces, if they are loaded already.
    moved: where the faces and people's votes are, if they have moved.
    output: the file; None for `report.html` beside the study's event log.
    If MLflow cannot store the page, prints a warning.
    Raises UserError if there is no such study, if the page cannot be written, or if what is in
    `moved` is not the study's.
    """
    study = load_study(store, name, storage)
    missing_reason = ""
    if splits is None:
        try:
            splits = study.run.load_splits(*moved)
        except UserError as error:
            if any(moved):
                raise
            missing_reason = f"The page has no faces and no audit: {error}."
    tested = find_tested_retraining(store, name, study.classes)
    page = render_report(study, storage, splits, missing_reason, tested)
    file = output or storage.local_dir / name / REPORT_FILE
    with explain_os_errors(f"{file} cannot be written", "name another file with --output"):
        atomic.write_file(file, page.encode())
    try:
        with store.explain_errors(f"{store}: cannot keep the report"):
            store.client.log_text(study.run.run_id, page, REPORT_FILE)
    except UserError as error:  # the user has the page
        print(f"Warning: {error}", file=sys.stderr)
        return str(file)
    url = None if output else build_report_url(store, study.run.run_id)
    return url or str(file)


def render_report(
    study: ReportedStudy,
    storage: StudyStorage,
    splits: Splits | None,
    missing_reason: str = "",
    tested: TestedRetraining | None = None,
) -> str:
    """Return the report as HTML that needs no network and no other file.

    storage: holds the checkpoint of the best trial, for the sheets of faces.
    splits: the study's faces; None if they are not available.
    missing_reason: why they are not available.
    tested: the newest retraining of the study; None before there is one.
    """
    study = count_training_steps(study, splits) if splits else study
    sections = [
        *_build_trials_sections(study, storage, splits, missing_reason),
        *([build_test_section(tested, splits)] if tested else []),
        build_data_audit_section(splits, missing_reason, study.run.train_faces),
        build_reproduction_section(study),
    ]
    status, trials = STATUS_WORDS[study.run.ending], pluralize(len(study.trials), "trial")
    details = f"{trials}, {status}. Trained on {_describe_source(study, splits)}."
    return render_sections(f"Study {study.run.name}", details, sections)


def _build_trials_sections(
    study: ReportedStudy, storage: StudyStorage, splits: Splits | None, missing_reason: str
) -> list[Section]:
    """Return the sections on the study's trials.

    Those on the best trial of a search say nothing about an ablation.
    """
    curves = build_learning_curves_section(study)
    if study.ablation:
        return [build_ablation_section(study), curves]
    if not study.scored:
        return [curves]
    sheets = list[FaceSheet]()
    if splits:
        sheets, missing_reason = _build_sheets(study, storage, splits)
    return [
        build_baseline_section(study),
        *([finalists] if (finalists := build_finalists_section(study)) else []),
        build_overfitting_section(study),
        *([noise] if (noise := build_label_noise_section(study)) else []),
        build_data_plan_section(study),
        build_augmentation_and_size_section(study),
        curves,
        build_best_trial_section(study, sheets, missing_reason),
    ]


def render_sections(heading: str, details: str, sections: Sequence[Section]) -> str:
    """Return a page of these sections as HTML.

    details: sentences below the heading.
    """
    return render_template(
        Path(__file__).with_name("page.html"),
        heading=heading,
        details=details,
        time=time.strftime("%Y-%m-%d %H:%M %Z"),
        sections=sections,
    )


def _describe_source(study: ReportedStudy, splits: Splits | None) -> str:
    source = study.run.tags.get(tags.SOURCE, "faces")
    faces = get_faces_by_plan(study).get("original", 0)
    total = len(splits.train) if splits else faces
    numbers = f"{faces:,} of {total:,}" if faces < total else f"{faces:,}"
    return f"{numbers} training faces of {source}" if faces else source


def _build_sheets(
    study: ReportedStudy, storage: StudyStorage, splits: Splits
) -> tuple[list[FaceSheet], str]:
    """Return the sheets of faces, or an empty list and the reason."""
    from fer_tune.trial.checkpoint import BadCheckpoint

    if study.has_local_log:
        folder = storage.open_study_directory(study.run.name)
        with suppress(OSError, BadCheckpoint):
            checkpoint = checkpoint_directory(folder, study.best.number)
            return build_face_sheets(study, splits.validation, checkpoint), ""
    return [], f"This page shows no faces: the best trial's checkpoint is not in {storage}."
