"""The metrics of an epoch that compare predictions with people's votes, not only with the labels.

A face is agreed if its given label alone has the most votes. Other faces with votes are disputed.
"""

from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import NDArray

from fer_tune.scoring.metrics import Scores


@dataclass(frozen=True, eq=False)
class VoteScores:
    """The scores of a model on the faces of a split that have votes; 0 without such faces.

    votes: against the class with the most votes.
    agreed, disputed: accuracy against the given labels, on agreed and on disputed faces.
    correct_disputed: share of all faces that are disputed and predicted as labelled.
    """

    votes: Scores
    agreed: float
    disputed: float
    correct_disputed: float

    @classmethod
    def from_predictions(
        cls,
        labels: NDArray[np.int64],  # (N,) given labels
        plurality: NDArray[np.int64],  # (N,) classes with the most votes; -1 without votes
        is_agreed: NDArray[np.bool_],  # (N,)
        predicted: NDArray[np.int64],  # (N,)
        classes: int,
    ) -> Self:
        """Return the scores of these predictions."""
        has_votes, is_correct = plurality >= 0, predicted == labels
        known = plurality[has_votes], predicted[has_votes]
        votes = Scores.from_predictions(float("nan"), *known, classes)
        groups = is_agreed, has_votes & ~is_agreed
        agreed, disputed = (float((is_correct & own).sum() / max(own.sum(), 1)) for own in groups)
        return cls(votes, agreed, disputed, float((is_correct & groups[1]).mean()))

    def build_split_metrics(self, split: str) -> dict[str, float]:
        """Return the scores by the names of metrics, such as `val/votes_accuracy`."""
        return {
            f"{split}/votes_accuracy": self.votes.accuracy,
            f"{split}/votes_macro_f1": self.votes.macro_f1,
            f"{split}/agreed_accuracy": self.agreed,
            f"{split}/disputed_accuracy": self.disputed,
        }

    def __str__(self) -> str:
        return (
            f"Against people's votes: accuracy {self.votes.accuracy:.3f}, macro F1 "
            f"{self.votes.macro_f1:.3f}. Against the labels: accuracy {self.agreed:.3f} on agreed "
            f"faces, {self.disputed:.3f} on disputed faces."
        )


def build_vote_metrics(train: VoteScores, validation: VoteScores) -> dict[str, float]:
    """Return the metrics of one epoch by name: those of both splits, and the gaps.

    `gap_from_disputed` is the part of the gap that disputed faces make. The rest is from agreed
    faces, and from faces without votes.
    """
    return {
        **train.build_split_metrics("train"),
        **validation.build_split_metrics("val"),
        "votes_gap": train.votes.accuracy - validation.votes.accuracy,
        "agreed_gap": train.agreed - validation.agreed,
        "disputed_gap": train.disputed - validation.disputed,
        "gap_from_disputed": train.correct_disputed - validation.correct_disputed,
    }


def list_vote_metric_names() -> list[str]:
    """Return the names of the metrics of `build_vote_metrics`."""
    scores = VoteScores(Scores(0.0, np.zeros((1, 1), dtype=np.int64)), 0.0, 0.0, 0.0)
    return list(build_vote_metrics(scores, scores))
