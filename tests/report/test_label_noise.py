from collections.abc import Callable
from dataclasses import replace

import pytest

from fer_tune.report.label_noise import build_label_noise_section
from fer_tune.report.load_study import ReportedStudy
from fer_tune.scoring.vote_metrics import list_vote_metric_names
from fer_tune.study.records.trial_record import TrialRecord


def add_votes(trial: TrialRecord, **values: float) -> TrialRecord:
    votes = dict.fromkeys(list_vote_metric_names(), 0.5) | values
    history = [replace(each, metrics={**each.metrics, **votes}) for each in trial.history]
    return replace(trial, history=history)


def test_the_section_says_which_part_of_the_gap_disputed_faces_make(
    trial: Callable[..., TrialRecord], study: Callable[..., ReportedStudy]
) -> None:
    values = {"agreed_gap": 0.01, "disputed_gap": 0.4, "gap": 0.2, "gap_from_disputed": 0.15}
    section = build_label_noise_section(study(add_votes(trial(1, 20, 30), **values)))
    assert section is not None
    assert section.summary == (
        "The best trial has a gap of 0.200, of which disputed faces make 0.150 (75%). The gap is "
        "0.010 on agreed faces and 0.400 on disputed ones."
    )
    rows = {row[0]: row[1:] for row in section.tables[0].rows}
    assert rows["best trial, disputed faces"] == ["0.500", "0.500", "0.400"]
    assert rows["best trial, against the votes"][2] == "0.500"


def test_baseline_and_best_trial_are_shown_beside_each_other(
    trial: Callable[..., TrialRecord], study: Callable[..., ReportedStudy]
) -> None:
    trials = add_votes(trial(0, 20)), add_votes(trial(1, 30, 40, dropout=0.5))
    section = build_label_noise_section(study(*trials))
    assert section is not None
    assert section.summary.startswith("The baseline has a gap")
    assert "The best trial has a gap" in section.summary
    assert len(section.tables[0].rows) == 8


@pytest.mark.parametrize("epochs", [(), (20,)])
def test_a_study_without_votes_or_results_has_no_such_section(
    epochs: tuple[int, ...],
    trial: Callable[..., TrialRecord],
    study: Callable[..., ReportedStudy],
) -> None:
    assert build_label_noise_section(study(trial(0, *epochs))) is None
