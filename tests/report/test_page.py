import re
from collections.abc import Callable
from pathlib import Path

import pytest

from fer_tune.data.demo.demo_splits import draw_demo_splits
from fer_tune.report.load_study import ReportedStudy
from fer_tune.report.page import render_report
from fer_tune.study.records.study_storage import StudyStorage
from fer_tune.study.records.trial_record import TrialRecord

# Whatever makes a browser ask for something, up to what it asks for.
ASKS = re.compile(r"""(?:\b(?:src|href|action|data|poster|srcset)=["']?|url\(["']?|@import\s*)""")

TITLES = [
    "What was gained over the paper&#39;s configuration",
    "What counters overfitting",
    "Balanced or not",
    "Augmentation against model complexity",
    "How the trials learnt, and which were stopped",
    "The best trial, class by class",
    "What the data audit found",
    "How to repeat it",
]

Trial = Callable[..., TrialRecord]
Study = Callable[..., ReportedStudy]


@pytest.fixture
def told(tmp_path: Path) -> Callable[[ReportedStudy], str]:
    """The page of a study whose faces are not at hand."""

    def made(study: ReportedStudy) -> str:
        return render_report(study, StudyStorage(str(tmp_path)), None, "The faces are not at hand.")

    return made


def test_a_long_studys_page_is_small_and_needs_nothing_beside_it(
    many: ReportedStudy, tmp_path: Path
) -> None:
    shown = render_report(many, StudyStorage(str(tmp_path)), draw_demo_splits())
    assert len(shown.encode()) < 5_000_000
    asked = [shown[found.end() :] for found in ASKS.finditer(shown)]
    assert asked
    assert all(each.startswith(("#", "data:image/")) for each in asked)
    assert "<script" not in shown
    ids = re.findall(r'\bid="([^"]+)"', shown)
    assert len(ids) == len(set(ids))


def test_the_questions_come_in_their_order_each_with_a_picture(
    many: ReportedStudy, tmp_path: Path
) -> None:
    sections = render_report(many, StudyStorage(str(tmp_path)), draw_demo_splits()).split(
        "<section "
    )[1:]
    titles = [re.findall(r"<h2>\d\. (.*)</h2>", each)[0] for each in sections]
    assert titles == TITLES
    for section in sections[:-1]:
        assert re.search(r'<figure role="img" aria-label="[^"]{20,}">\s*<svg', section)


def test_names_from_outside_do_nothing(trial: Trial, study: Study, tmp_path: Path) -> None:
    classes = ("<img src=x>", "a&b", '"><script>')
    shown = render_report(
        study(trial(0, 20, 30, classes=classes), trial(1, 25, classes=classes), classes=classes),
        StudyStorage(str(tmp_path)),
        None,
        "<b>bold</b>",
    )
    assert "<img" not in shown
    assert "<script" not in shown
    assert "<b>bold" not in shown
    assert "&lt;img src=x&gt;" in shown


def test_a_study_of_one_trial_is_reported(
    trial: Trial, study: Study, told: Callable[[ReportedStudy], str]
) -> None:
    shown = told(study(trial(0, 20)))
    assert "There is nothing to compare the paper&#39;s configuration with yet." in shown
    assert "No two trials differ in their data plan alone" in shown


def test_a_study_of_failed_trials_is_reported(
    trial: Trial, study: Study, told: Callable[[ReportedStudy], str]
) -> None:
    shown = told(study(trial(0, ending="failed"), trial(1, ending="failed")))
    assert "No trial has finished an epoch" in shown
    assert "2 failed" in shown


def test_a_study_that_has_just_begun_is_reported(
    study: Study, told: Callable[[ReportedStudy], str]
) -> None:
    assert "0 trials, running" in told(study(ending=None))


def test_a_running_study_is_reported_as_far_as_it_has_come(
    trial: Trial, study: Study, told: Callable[[ReportedStudy], str]
) -> None:
    shown = told(study(trial(0, 20, 25, ending=None), trial(1, 30, ending=None), ending=None))
    assert "2 trials, running" in shown
    assert "Trial 001 reaches a macro F1 of 0.600" in shown


def test_confusion_matrices_that_are_not_recorded_yet_are_not_shown(
    trial: Trial, study: Study, told: Callable[[ReportedStudy], str]
) -> None:
    running = trial(0, 20, ending=None)
    object.__setattr__(running.history[0], "confusion", ())
    assert "not recorded in MLflow before the trial ends" in told(study(running, ending=None))


def test_what_was_not_at_hand_is_said(
    trial: Trial, study: Study, told: Callable[[ReportedStudy], str], tmp_path: Path
) -> None:
    reported = study(trial(0, 20))
    assert told(reported).count("The faces are not at hand.") == 2
    without_checkpoint = render_report(reported, StudyStorage(str(tmp_path)), draw_demo_splits())
    assert "checkpoint is not in" in without_checkpoint
    assert "<img" not in without_checkpoint


@pytest.mark.parametrize("metric", ["val/loss", "gap", "val_f1/disgust"])
def test_a_study_by_any_metric_is_reported(
    trial: Trial, study: Study, told: Callable[[ReportedStudy], str], metric: str
) -> None:
    reported = study(trial(0, 20, 30), trial(1, 25, data_plan="balanced"))
    object.__setattr__(reported.run, "metric", metric)
    assert "<svg" in told(reported)


def test_many_classes_with_long_names_are_drawn(
    trial: Trial, study: Study, told: Callable[[ReportedStudy], str]
) -> None:
    classes = [f"{number} {'name ' * 15}表情" for number in range(30)]
    assert told(study(trial(0, 20, classes=classes), classes=classes)).count("<svg") == 6
