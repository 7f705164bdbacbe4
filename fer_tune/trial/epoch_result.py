"""The result of an epoch, from the classes that the network predicts."""

from typing import NamedTuple, Self

import numpy as np
from numpy.typing import NDArray

from fer_tune.data.faces import Faces
from fer_tune.data.trial_data import TrialData
from fer_tune.data.votes import find_plurality, is_agreed
from fer_tune.scoring.calibration import measure_cross_entropy
from fer_tune.scoring.metrics import EpochResult, Scores, build_epoch_metrics
from fer_tune.scoring.vote_metrics import VoteScores, build_vote_metrics


class ClassPredictions(NamedTuple):
    """The classes that a model predicts for the faces of a split.

    loss: mean cross-entropy in nats against the given labels.
    predicted: (N,) int64.
    """

    loss: float
    predicted: NDArray[np.int64]

    @classmethod
    def from_probabilities(
        cls,
        probabilities: NDArray[np.float64],  # (N, C)
        labels: NDArray[np.int64],  # (N,)
    ) -> Self:
        """Return the most likely classes."""
        return cls(measure_cross_entropy(probabilities, labels), probabilities.argmax(1))


def build_epoch_result(
    data: TrialData, train: ClassPredictions, validation: ClassPredictions, epoch: int
) -> EpochResult:
    """Return the result of an epoch, with scores against people's votes if there are any.

    train: predictions for the train sample.
    """
    size = len(data.classes)
    pairs = (data.train_sample, train), (data.validation, validation)
    train_scores, scores = (
        Scores.from_predictions(own.loss, faces.labels, own.predicted, size) for faces, own in pairs
    )
    metrics = build_epoch_metrics(train_scores, scores, data.classes)
    train_votes, votes = (score_votes(faces, own.predicted, size) for faces, own in pairs)
    if train_votes and votes:
        metrics |= build_vote_metrics(train_votes, votes)
    return EpochResult(epoch, metrics, scores.confusion.tolist())


def score_votes(
    faces: Faces,
    predicted: NDArray[np.int64],  # (N,)
    classes: int,
) -> VoteScores | None:
    """Return the scores against people's votes; None if the data set has none."""
    if faces.votes is None:
        return None
    votes = find_plurality(faces), is_agreed(faces)
    return VoteScores.from_predictions(faces.labels, *votes, predicted, classes)
