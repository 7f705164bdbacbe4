import re
from collections.abc import Callable
from pathlib import Path

import pytest

from fer_tune.data.demo.demo_splits import draw_demo_splits
from fer_tune.report.load_study import ReportedStudy
from fer_tune.report.page import render_report
from fer_tune.study.records.study_storage import StudyStorage
from fer_tune.study.records.trial_record import TrialRecord

# What makes a browser load something, up to its address.
LOADS = re.compile(r"""(?:\b(?:src|href|action|data|poster|srcset)=["']?|url\(["']?|@import\s*)""")

TITLES = [
    "Improvement over the baseline",
    "What counters overfitting",
    "Data plans",
    "Augmentation and model size",
    "Learning curves and pruned trials",
    "The best trial by class",
    "Data audit",
    "How to reproduce the study",
]

Trial = Callable[..., TrialRecord]
Study = Callable[..., ReportedStudy]


@pytest.fixture
def render(tmp_path: Path) -> Callable[[ReportedStudy], str]:
    """Render the page of a study whose faces are not available."""

    def render_study(study: ReportedStudy) -> str:
        return render_report(
            study, StudyStorage(str(tmp_path)), None, "The faces are not available."
        )

    return render_study


def test_the_page_of_a_long_study_is_small_and_needs_no_other_file(
    many: ReportedStudy, tmp_path: Path
) -> None:
    page = render_report(many, StudyStorage(str(tmp_path)), draw_demo_splits())
    assert len(page.encode()) < 5_000_000
    addresses = [page[match.end() :] for match in LOADS.finditer(page)]
    assert addresses
    assert all(address.startswith(("#", "data:image/")) for address in addresses)
    assert "<script" not in page
    ids = re.findall(r'\bid="([^"]+)"', page)
    assert len(ids) == len(set(ids))


def test_the_sections_are_in_order_and_have_a_picture_each(
    many: ReportedStudy, tmp_path: Path
) -> None:
    sections = render_report(many, StudyStorage(str(tmp_path)), draw_demo_splits()).split(
        "<section "
    )[1:]
    titles = [re.findall(r"<h2>\d\. (.*)</h2>", section)[0] for section in sections]
    assert titles == TITLES
    for section in sections[:-1]:
        assert re.search(r'<figure role="img" aria-label="[^"]{20,}">\s*<svg', section)


def test_html_in_names_is_escaped(trial: Trial, study: Study, tmp_path: Path) -> None:
    classes = ("<img src=x>", "a&b", '"><script>')
    page = render_report(
        study(trial(0, 20, 30, classes=classes), trial(1, 25, classes=classes), classes=classes),
        StudyStorage(str(tmp_path)),
        None,
        "<b>bold</b>",
    )
    assert "<img" not in page
    assert "<script" not in page
    assert "<b>bold" not in page
    assert "&lt;img src=x&gt;" in page


def test_a_study_of_one_trial_is_reported(
    trial: Trial, study: Study, render: Callable[[ReportedStudy], str]
) -> None:
    page = render(study(trial(0, 20)))
    assert "There is nothing to compare the baseline with yet." in page
    assert "No two trials differ only in their data plan" in page


def test_a_study_of_failed_trials_is_reported(
    trial: Trial, study: Study, render: Callable[[ReportedStudy], str]
) -> None:
    page = render(study(trial(0, ending="failed"), trial(1, ending="failed")))
    assert "No trial has finished an epoch" in page
    assert "2 failed" in page


def test_a_study_that_has_just_begun_is_reported(
    study: Study, render: Callable[[ReportedStudy], str]
) -> None:
    assert "0 trials, running" in render(study(ending=None))


def test_a_running_study_is_reported_up_to_now(
    trial: Trial, study: Study, render: Callable[[ReportedStudy], str]
) -> None:
    page = render(study(trial(0, 20, 25, ending=None), trial(1, 30, ending=None), ending=None))
    assert "2 trials, running" in page
    assert "The best trial, 001: macro F1 0.600" in page


def test_a_confusion_matrix_that_is_not_recorded_yet_is_not_shown(
    trial: Trial, study: Study, render: Callable[[ReportedStudy], str]
) -> None:
    running = trial(0, 20, ending=None)
    object.__setattr__(running.history[0], "confusion", ())
    assert "not recorded in MLflow before the trial ends" in render(study(running, ending=None))


def test_the_page_says_what_is_not_available(
    trial: Trial, study: Study, render: Callable[[ReportedStudy], str], tmp_path: Path
) -> None:
    reported = study(trial(0, 20))
    assert render(reported).count("The faces are not available.") == 2
    without_checkpoint = render_report(reported, StudyStorage(str(tmp_path)), draw_demo_splits())
    assert "checkpoint is not in" in without_checkpoint
    assert "<img" not in without_checkpoint


@pytest.mark.parametrize("metric", ["val/loss", "gap", "val_f1/disgust"])
def test_a_study_by_any_metric_is_reported(
    trial: Trial, study: Study, render: Callable[[ReportedStudy], str], metric: str
) -> None:
    reported = study(trial(0, 20, 30), trial(1, 25, data_plan="balanced"))
    object.__setattr__(reported.run, "metric", metric)
    assert "<svg" in render(reported)


def test_many_classes_with_long_names_are_drawn(
    trial: Trial, study: Study, render: Callable[[ReportedStudy], str]
) -> None:
    classes = [f"{number} {'name ' * 15}表情" for number in range(30)]
    assert render(study(trial(0, 20, classes=classes), classes=classes)).count("<svg") == 5
