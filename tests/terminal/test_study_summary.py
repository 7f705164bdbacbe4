from collections.abc import Sequence
from dataclasses import replace

import pytest
from rich.console import Console

from fer_tune.events import Ending
from fer_tune.scoring.metrics import EpochResult
from fer_tune.study.ranking import rank_trials
from fer_tune.study.records.trial_record import TrialRecord, format_trial_name
from fer_tune.study.search_space.load_space import find_space_file, load_space
from fer_tune.terminal import study_summary as study_summary
from fer_tune.trial_config import TrialConfig

METRIC = "val/macro_f1"


def _trial(number: int, scores: Sequence[float], ending: Ending | None) -> TrialRecord:
    history = [
        EpochResult(epoch, {METRIC: score, "val/accuracy": score, "val/loss": 2, "gap": 0.1}, [])
        for epoch, score in enumerate(scores, start=1)
    ]
    config = TrialConfig(learning_rate=10.0 ** -(number + 2))
    return TrialRecord(number, f"{number:03d}", config, history, ending)


@pytest.fixture
def trials() -> list[TrialRecord]:
    """The paper's, one better, one stopped, one failed without an epoch, one running."""
    return [
        _trial(0, [0.2, 0.4, 0.3], "finished"),
        _trial(1, [0.3, 0.5, 0.6], "finished"),
        _trial(2, [0.1], "stopped"),
        _trial(3, [], "failed"),
        _trial(4, [0.2], None),
    ]


def test_the_papers_configuration_stands_against_the_best(trials: list[TrialRecord]) -> None:
    said = study_summary.describe_improvement(trials, METRIC)
    assert "paper's configuration: macro_f1 0.400" in said
    assert "trial 001: macro_f1 0.600" in said
    assert "No trial was better" in study_summary.describe_improvement(
        [trials[0], trials[2]], METRIC
    )
    assert "nothing to compare" in study_summary.describe_improvement(trials[:1], METRIC)
    said = study_summary.describe_improvement([_trial(0, [], "failed"), *trials[1:3]], METRIC)
    assert "no result to compare with. The best, trial 001: macro_f1 0.600" in said


def test_the_best_is_the_best_of_those_that_keep_to_the_largest_gap(
    trials: list[TrialRecord],
) -> None:
    _set_gap(trials[1], 0.3)
    assert [each.number for each in rank_trials(trials, METRIC, 0.2)] == [0, 1, 4, 2]
    assert "No trial with a gap of at most 0.2 was better" in study_summary.describe_improvement(
        trials, METRIC, 0.2
    )
    _set_gap(trials[0], 0.4)
    _set_gap(trials[1], 0.2)
    said = study_summary.describe_improvement(trials, METRIC, 0.2)
    assert "The best with a gap of at most 0.2, trial 001: macro_f1 0.600" in said


def test_where_none_keeps_to_the_largest_gap_it_says_so_and_names_the_closest(
    trials: list[TrialRecord],
) -> None:
    _set_gap(trials[1], 0.05)
    _set_gap(trials[2], 0.0)  # of one that was stopped
    said = study_summary.describe_improvement(trials, METRIC, 0.02)
    assert said.startswith("No trial that ran to its end has a gap of at most 0.02. The paper's ")
    assert "Closest, trial 001: macro_f1 0.600" in said
    _set_gap(trials[0], 0.03)
    assert "Closest" not in study_summary.describe_improvement(trials, METRIC, 0.02)


def _set_gap(trial: TrialRecord, gap: float) -> None:
    trial.history = [
        EpochResult(each.epoch, {**each.metrics, "gap": gap}, []) for each in trial.history
    ]


def test_what_a_study_cost_and_what_stopping_saved_are_told(trials: list[TrialRecord]) -> None:
    trials[0].history = [replace(each, seconds=400.0) for each in trials[0].history]
    assert study_summary.summarize_cost(trials, epochs=3) == (
        "Trials: 5 (2 finished, 1 stopped, 1 failed, 1 running). "
        "Epochs: 8, 20 min of training in all, and 2 saved by stopping early."
    )


def test_the_leaderboard_fits_eighty_columns(trials: list[TrialRecord]) -> None:
    console = Console(width=80)
    space = load_space(find_space_file("regularize"))
    with console.capture() as shown:
        console.print(study_summary.build_leaderboard(trials, METRIC, space))
    lines = shown.get().splitlines()
    assert max(len(line) for line in lines) <= 80
    assert "001" in lines[1]
    assert "000 paper" in shown.get()
    assert "learning_rate=0.001" in shown.get()


def test_a_trial_is_named_by_its_number_and_first_settings() -> None:
    point = {"dropout": 0.123456, "depth": 3, "width": 4, "schedule": "cosine", "mixup": 0.1}
    assert format_trial_name(7, point) == "007 dropout=0.123 depth=3 width=4 schedule=cosine"
