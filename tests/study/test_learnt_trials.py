from collections.abc import Sequence

import pytest

from fer_tune.scoring.metrics import EpochResult
from fer_tune.study.ranking import (
    ScoredTrial,
    explain_small_groups,
    find_majority_share,
    score_trials,
    select_learnt_trials,
)
from fer_tune.study.records.trial_record import TrialRecord
from fer_tune.trial_config import BASELINE

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
