import csv
import io
from collections.abc import Callable, Sequence

import pytest

from fer_tune.events import Ending
from fer_tune.scoring.metrics import EpochResult, ranking_key
from fer_tune.study.ranking import (
    ScoredTrial,
    explain_small_groups,
    find_majority_share,
    find_pareto_front,
    format_pareto_front_csv,
    rank_trials,
    score_trials,
    select_learnt_trials,
)
from fer_tune.study.records.settings import StudySettings
from fer_tune.study.records.trial_record import TrialRecord
from fer_tune.trial_config import BASELINE, TrialConfig
from tests.finalists import add_repeat, make_trial

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


def test_the_means_decide_among_finalists_who_come_before_all_others() -> None:
    trials = [make_trial(0, 0.45), make_trial(1, 0.6, 0.3, 0.3), make_trial(2, 0.5, 0.4, 0.45)]
    ranked = rank_trials(trials, METRIC)
    assert [trial.number for trial in ranked] == [2, 1, 0]
    assert [trial.ranked_metrics[METRIC] for trial in ranked] == pytest.approx([0.45, 0.4, 0.45])
    assert [trial.number for trial in rank_trials(trials, METRIC, by_first_score=True)] == [1, 2, 0]
    assert [trial.number for trial in find_pareto_front(trials, METRIC)] == [1]


def test_the_first_scores_decide_until_all_repeats_have_ended() -> None:
    trials = [make_trial(1, 0.6, 0.3, 0.3), make_trial(2, 0.5)]
    add_repeat(trials[1], 2, ending="finished")
    for ending in (None, "interrupted"):
        last = add_repeat(trials[1], 3, ending=ending)
        assert [trial.number for trial in rank_trials(trials, METRIC)] == [1, 2]
        trials[1].repeats.remove(last)
    add_repeat(trials[1], 3, ending="failed")
    assert [trial.number for trial in rank_trials(trials, METRIC)] == [2, 1]


def test_the_mean_gap_of_a_finalist_satisfies_the_constraint() -> None:
    trials = [make_trial(1, 0.6, 0.6, 0.6, gap=0.1, gaps=0.3), make_trial(2, 0.5, 0.5, 0.5)]
    first, second = rank_trials(trials, METRIC, 0.2)
    assert (first.number, first.satisfies_constraint(0.2)) == (2, True)
    assert (second.number, second.satisfies_constraint(0.2)) == (1, False)


UNKNOWN: Sequence[Sequence[int]] = ()


def score(confusion: Sequence[Sequence[int]], accuracy: float) -> ScoredTrial:
    """Return a trial of one epoch."""
    epoch = EpochResult(1, {"val/accuracy": accuracy}, confusion)
    (trial,) = score_trials([TrialRecord(0, "000", BASELINE, [epoch])], "val/accuracy")
    return trial


def test_a_trial_has_learnt_if_it_beats_naming_the_largest_class() -> None:
    constant, worse, better = (
        score([[0, 30], [0, 70]], 0.7),
        score([[20, 10], [30, 40]], 0.6),
        score([[1, 29], [0, 70]], 0.71),
    )
    assert find_majority_share([constant, worse, better]) == 0.7
    assert select_learnt_trials([constant, better, worse]) == [better]


def test_the_largest_class_is_known_from_any_trial_with_a_confusion_matrix() -> None:
    trials = [score(UNKNOWN, 0.8), score([[60, 0], [40, 0]], 0.6), score(UNKNOWN, 0.5)]
    assert select_learnt_trials(trials) == trials[:1]


@pytest.mark.parametrize("confusion", [UNKNOWN, [[0, 0], [0, 0]]])
def test_without_a_confusion_matrix_no_trial_counts_as_learnt(
    confusion: Sequence[Sequence[int]],
) -> None:
    trials = [score(confusion, 0.9)]
    assert find_majority_share(trials) is None
    assert select_learnt_trials(trials) == []
    assert select_learnt_trials([]) == []


def test_groups_are_compared_if_each_has_three_trials() -> None:
    assert explain_small_groups({"with mixup": [1] * 3, "without": [0] * 7}) == ""
    assert explain_small_groups({"with mixup": [1] * 2, "without": [0] * 7}) == (
        "Too few trials to compare: 2 with mixup, 7 without. Three that have learnt are needed in "
        "each group."
    )
    assert explain_small_groups({}) == ""


def _trial(number: int, score: float, gap: float, **config: object) -> TrialRecord:
    metrics = {METRIC: score, "gap": gap, "val/accuracy": 0.5, "train/accuracy": 0.5 + gap}
    worse = metrics | {METRIC: score - 0.1, "gap": 0.0}
    history = [EpochResult(1, worse, []), EpochResult(2, metrics, [])]
    return TrialRecord(number, "", TrialConfig.model_validate(config), history, "stopped")


def test_a_trial_that_is_beaten_in_both_is_not_on_the_front() -> None:
    trials = [
        _trial(0, 0.6, 0.3),
        _trial(1, 0.5, 0.1),
        _trial(2, 0.4, 0.2),  # trial 1 is better in both
        _trial(3, 0.6, 0.4),  # trial 0 is as good, with a smaller gap
        _trial(4, 0.5, 0.1),  # as trial 1
        _trial(5, 0.2, 0.0),
    ]
    assert [each.number for each in find_pareto_front(trials, METRIC)] == [5, 1, 0]


def test_trials_without_an_epoch_make_no_front(record: Callable[..., TrialRecord]) -> None:
    assert find_pareto_front([record(0, ending="failed")], METRIC) == []


def test_the_csv_has_the_scores_and_parameters_of_each_trial(
    conditional: StudySettings,
) -> None:
    trials = [
        _trial(0, 0.5, 0.1),
        _trial(1, 0.6, 0.2, schedule="cosine", mixup=0.3, learning_rate=0.002),
    ]
    first, second = csv.DictReader(
        io.StringIO(format_pareto_front_csv(trials, METRIC, conditional.space))
    )
    assert first == {
        "trial": "0",
        "ended": "stopped",
        "epoch": "2",
        "val/macro_f1": "0.5",
        "gap": "0.1",
        "val/accuracy": "0.5",
        "train/accuracy": "0.6",
        "learning_rate": "0.0001",
        "schedule": "constant",
        "mixup": "",
    }
    assert (second["trial"], second["mixup"]) == ("1", "0.3")
