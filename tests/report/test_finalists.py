from collections.abc import Callable
from pathlib import Path

from fer_tune.report.finalists import build_finalists_section
from fer_tune.report.load_study import ReportedStudy
from fer_tune.report.page import render_report
from fer_tune.scoring.metrics import EpochResult
from fer_tune.study.records.study_storage import StudyStorage
from fer_tune.study.records.trial_record import TrialRecord
from tests.finalists import add_repeat

Trial = Callable[..., TrialRecord]
Study = Callable[..., ReportedStudy]
Epoch = Callable[..., EpochResult]


def test_the_table_has_the_score_of_each_seed_and_the_means(
    trial: Trial, study: Study, epoch: Epoch
) -> None:
    first, second = trial(1, 30), trial(2, 25)
    for finalist, right in ((first, 15), (second, 25)):
        add_repeat(finalist, 2, epoch(1, right, 0.1), epoch(2, right, 0.1))
        add_repeat(finalist, 3, epoch(1, right, 0.1))
    section = build_finalists_section(study(trial(0, 20), first, second))
    assert section
    assert section.tables[0].header == [
        *("finalist", "first macro F1", "seed 2", "seed 3", "mean", "gap")
    ]
    assert section.tables[0].rows == [
        ["002", "0.500", "0.500", "0.500", "0.500", "0.087"],
        ["001", "0.600", "0.300", "0.300", "0.400", "0.080"],
    ]
    assert "chose trial 002" in section.summary


def test_repeats_that_are_not_completed_have_their_status(
    trial: Trial, study: Study, epoch: Epoch
) -> None:
    first, second = trial(1, 30), trial(2, 25)
    add_repeat(first, 2, epoch(1, 15), ending="failed")
    add_repeat(first, 3, epoch(1, 15), ending=None)
    add_repeat(second, 2, epoch(1, 20))
    section = build_finalists_section(study(first, second))
    assert section
    assert section.tables[0].rows == [
        ["001", "0.600", "failed", "running", "-", "-"],
        ["002", "0.500", "0.400", "-", "-", "-"],
    ]
    assert "have ended so far: 2." in section.summary


def test_a_study_without_finalists_has_no_such_section(trial: Trial, study: Study) -> None:
    assert build_finalists_section(study(trial(0, 20), trial(1, 30))) is None


def test_the_page_has_the_section_and_the_best_trial_is_that_of_the_means(
    trial: Trial, study: Study, epoch: Epoch, tmp_path: Path
) -> None:
    first, second = trial(1, 30), trial(2, 25)
    for finalist, right in ((first, 15), (second, 25)):
        for seed in (2, 3):
            add_repeat(finalist, seed, epoch(1, right))
    reported = study(trial(0, 20), first, second)
    page = render_report(reported, StudyStorage(str(tmp_path)), None)
    assert "Finalists</h2>" in page
    assert "The best trial, 002 (first seed): macro F1 0.500" in page
    assert "3 trials, completed" in page
    assert "Repeats of finalists: 4." in page
