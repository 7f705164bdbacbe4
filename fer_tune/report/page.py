"""The page: every section in its order, and all of it in one file."""

import time
from collections.abc import Sequence
from pathlib import Path

from fer_tune.data.faces import Splits
from fer_tune.report.best_trial import best
from fer_tune.report.complexity import complexity
from fer_tune.report.data_audit import audited
from fer_tune.report.data_plan_comparison import balance
from fer_tune.report.improvement import gained
from fer_tune.report.intervals import counted
from fer_tune.report.learning_curves import curves
from fer_tune.report.load_study import ReportedStudy
from fer_tune.report.overfitting import overfitting
from fer_tune.report.reproduce import repeat
from fer_tune.report.sample_faces import sheets
from fer_tune.report.section import Section, Sheet
from fer_tune.study.records.checkpoint_pruner import checkpoint_directory
from fer_tune.study.records.study_storage import StudyStorage
from fer_tune.tracking import tags

_HERE = Path(__file__).parent


def page(
    study: ReportedStudy, storage: StudyStorage, splits: Splits | None, without: str = ""
) -> str:
    """The report as HTML that needs no network and nothing beside it.

    storage: of the best trial's checkpoint, for the sheets of faces.
    splits: the study's faces; None where they are not at hand, and `without` says why.
    """
    shown, why = _sheets(study, storage, splits, without)
    sections = [
        gained(study),
        overfitting(study),
        balance(study),
        complexity(study),
        curves(study),
        best(study, shown, why),
        audited(splits, without),
        repeat(study),
    ]
    return render(study, sections)


def _sheets(
    study: ReportedStudy, storage: StudyStorage, splits: Splits | None, without: str
) -> tuple[list[Sheet], str]:
    """The sheets of faces, or why there are none."""
    from fer_tune.trial.checkpoint import BadCheckpoint

    if study.best is None:
        return [], ""
    if splits is None:
        return [], without
    missing = f"No faces are shown: the trial's checkpoint is not in {storage}."
    if not study.is_here:
        return [], missing
    kept = checkpoint_directory(storage.open_study_directory(study.run.name), study.best.number)
    try:
        return sheets(study, splits.validation, kept), ""
    except (OSError, BadCheckpoint):
        return [], missing


def render(study: ReportedStudy, sections: Sequence[Section]) -> str:
    """The sections as HTML; every text that comes from outside is escaped."""
    import jinja2

    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(_HERE),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    return environment.get_template("page.html").render(
        name=study.run.name,
        ending=study.run.ending or "running",
        trials=counted(len(study.trials), "trial"),
        source=study.run.tags.get(tags.SOURCE, "faces"),
        made=time.strftime("%Y-%m-%d %H:%M %Z"),
        style=(_HERE / "page.css").read_text(encoding="utf-8"),
        sections=sections,
    )
