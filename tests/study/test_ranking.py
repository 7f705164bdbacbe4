from collections.abc import Sequence

import pytest

from fer_tune.events import Ending
from fer_tune.scoring.metrics import EpochResult, ranking_key
from fer_tune.study.ranking import rank_trials, score_trials
from fer_tune.study.records.trial_record import TrialRecord
from fer_tune.trial_config import TrialConfig

METRIC = "val/macro_f1"


def _make_trial(number: int, scores: Sequence[float], ending: Ending | None) -> TrialRecord:
    history = [
        EpochResult(epoch, {METRIC: score, "val/loss": 2, "gap": 0.1}, [])
        for epoch, score in enumerate(scores, start=1)
    ]
    return TrialRecord(number, f"{number:03d}", TrialConfig(), history, ending)


@pytest.fixture
def trials() -> list[TrialRecord]:
    """The baseline, a better trial, one pruned, one failed without an epoch, one running."""
    return [
        _make_trial(0, [0.2, 0.4, 0.3], "finished"),
        _make_trial(1, [0.3, 0.5, 0.6], "finished"),
        _make_trial(2, [0.1], "stopped"),
        _make_trial(3, [], "failed"),
        _make_trial(4, [0.2], None),
    ]


def test_only_trials_with_an_epoch_are_scored_at_their_best_epoch(
    trials: list[TrialRecord],
) -> None:
    scored = [(trial.number, trial.best_epoch.epoch) for trial in score_trials(trials, METRIC)]
    assert scored == [(0, 2), (1, 3), (2, 1), (4, 1)]


def test_trials_are_ranked_by_their_best_epoch(trials: list[TrialRecord]) -> None:
    assert [each.number for each in rank_trials(trials, METRIC)] == [1, 0, 4, 2]


def test_the_smallest_loss_ranks_first(trials: list[TrialRecord]) -> None:
    trials[2].history[0] = EpochResult(1, {"val/loss": 1.0}, [])
    assert rank_trials(trials, "val/loss")[0].number == 2


def test_a_trial_satisfies_the_constraint_if_completed_with_a_gap_within_it(
    trials: list[TrialRecord],
) -> None:
    scored = score_trials(trials, METRIC)
    assert [trial.satisfies_constraint(0.1) for trial in scored] == [True, True, False, False]
    assert not any(trial.satisfies_constraint(0.05) for trial in scored)
    assert all(trial.satisfies_constraint(None) for trial in scored)


@pytest.mark.parametrize(
    ("metric", "max_gap", "order"),
    [
        ("val/macro_f1", None, [2, 1, 0, 3]),
        ("val/macro_f1", 0.2, [1, 0, 3, 2]),
        ("val/macro_f1", 0.05, [0, 1, 3, 2]),
        ("val/loss", 0.2, [0, 1, 3, 2]),
        ("gap", None, [0, 1, 3, 2]),
    ],
)
def test_trials_with_a_larger_gap_than_allowed_rank_below_all_others(
    metric: str, max_gap: float | None, order: list[int]
) -> None:
    trials = [
        {"val/macro_f1": score, "val/loss": score, "gap": gap}
        for score, gap in ((0.2, 0.1), (0.5, 0.2), (0.9, 0.4), (0.1, 0.3))
    ]
    places = sorted(range(4), key=lambda i: ranking_key(trials[i], metric, max_gap), reverse=True)
    assert places == order
    short = ranking_key({"val/macro_f1": 0.9, "gap": 0.0}, "val/macro_f1", 0.2, is_completed=False)
    assert short < min(ranking_key(each, "val/macro_f1", 0.2) for each in trials)
    assert ranking_key({"val/macro_f1": 0.9}, "val/macro_f1", is_completed=False) == (0.0, 0.9)
