"""The figures of the paper that fer_tune starts from: a LeNet-style CNN on FER2013, 20 epochs.

They are the paper's own, on its original data; its per-class table pools the predictions of all
twenty epochs (its support is twenty times PublicTest's), not those of the final model.
"""

from typing import NamedTuple


class ClassScores(NamedTuple):
    """One row of the paper's per-class table."""

    precision: float
    recall: float
    f1: float


PAPER_REMARK = (
    "The paper's figures are of FER2013's PublicTest, on its original data; those by class pool "
    "the predictions of all its 20 epochs."
)

TRAIN_ACCURACY = 0.993
TEST_ACCURACY = 0.537
TEST_MACRO = ClassScores(precision=0.556, recall=0.500, f1=0.516)
TEST_BY_CLASS = {
    "angry": ClassScores(0.45, 0.43, 0.44),
    "disgust": ClassScores(0.76, 0.39, 0.52),
    "fear": ClassScores(0.45, 0.34, 0.39),
    "happy": ClassScores(0.61, 0.82, 0.70),
    "sad": ClassScores(0.46, 0.38, 0.42),
    "surprise": ClassScores(0.72, 0.71, 0.71),
    "neutral": ClassScores(0.45, 0.44, 0.44),
}
