import numpy as np
import pytest

from fer_tune.scoring.metrics import GAPS, metric_direction
from fer_tune.scoring.vote_metrics import VoteScores, build_vote_metrics, list_vote_metric_names

LABELS = np.array([0, 0, 1, 1, 1, 0])
PLURALITY = np.array([0, 1, 1, 0, 1, -1])
AGREED = np.array([True, False, True, False, False, False])


def score(predicted: list[int]) -> VoteScores:
    return VoteScores.from_predictions(LABELS, PLURALITY, AGREED, np.array(predicted), 2)


def test_agreed_and_disputed_faces_are_scored_on_their_given_labels() -> None:
    scores = score([0, 0, 0, 1, 1, 1])
    assert scores.agreed == 1 / 2
    assert scores.disputed == 3 / 3


def test_the_plurality_is_scored_on_faces_with_votes_alone() -> None:
    scores = score([0, 1, 1, 0, 1, 0])
    assert scores.votes.accuracy == 1
    assert scores.votes.confusion.sum() == 5
    assert score([1, 0, 0, 1, 0, 0]).votes.macro_f1 == 0


def test_the_gaps_are_train_minus_validation() -> None:
    metrics = build_vote_metrics(score([0, 0, 1, 1, 1, 0]), score([0, 1, 1, 0, 0, 0]))
    assert metrics["agreed_gap"] == 0
    assert metrics["disputed_gap"] == 1
    assert metrics["gap_from_disputed"] == 3 / 6
    assert metrics["votes_gap"] == pytest.approx(3 / 5 - 4 / 5)
    assert list(metrics) == list_vote_metric_names()


def test_gaps_are_minimised_and_scores_maximised() -> None:
    names = list_vote_metric_names()
    assert {name for name in names if metric_direction(name) == "min"} == {*GAPS} - {"gap"}
    assert metric_direction("val_f1/gap") == "max"


def test_no_faces_with_votes_score_0() -> None:
    nobody = np.full(6, -1), np.zeros(6, np.bool_)
    scores = VoteScores.from_predictions(LABELS, *nobody, LABELS, 2)
    assert set(scores.build_split_metrics("val").values()) == {0}
    assert scores.correct_disputed == 0
