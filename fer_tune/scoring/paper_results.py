"""The results of the paper: a LeNet-style CNN on FER2013, after 20 epochs on its original data.

The paper's table by class pools the predictions of all 20 epochs, not those of the final model: its
support is 20 times PublicTest's.
"""

MACRO_MEAN = "macro mean"  # stands for a class in tables of classes

PAPER_REMARK = (
    "The paper's results are those on FER2013's PublicTest with its original data. Its results by "
    "class pool the predictions of all 20 epochs."
)

TRAIN_ACCURACY = 0.993
TEST_ACCURACY = 0.537
# Precision, recall and F1.
TEST_BY_CLASS = {
    "angry": (0.45, 0.43, 0.44),
    "disgust": (0.76, 0.39, 0.52),
    "fear": (0.45, 0.34, 0.39),
    "happy": (0.61, 0.82, 0.70),
    "sad": (0.46, 0.38, 0.42),
    "surprise": (0.72, 0.71, 0.71),
    "neutral": (0.45, 0.44, 0.44),
    MACRO_MEAN: (0.556, 0.500, 0.516),
}


def format_class_scores(name: str) -> list[str]:
    """Return the paper's precision, recall and F1 of a class, or of the mean over the classes."""
    scores = TEST_BY_CLASS.get(name)
    return [f"{score:.2f}" for score in scores] if scores else ["-"] * 3
