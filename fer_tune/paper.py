"""The figures of the paper that fer_tune starts from: a LeNet-style CNN on FER2013, 20 epochs.

They are the paper's own, on its original data; its per-class table pools the predictions of all
twenty epochs (its support is twenty times PublicTest's), not those of the final model.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from rich.table import Table

from fer_tune.terminal import plain_table
from fer_tune.training.metrics import EpochResult, Scores


class ClassFigures(NamedTuple):
    """One row of the paper's per-class table."""

    precision: float
    recall: float
    f1: float


TRAIN_ACCURACY = 0.993
TEST_ACCURACY = 0.537
TEST_MACRO = ClassFigures(precision=0.556, recall=0.500, f1=0.516)
TEST_BY_CLASS = {
    "angry": ClassFigures(0.45, 0.43, 0.44),
    "disgust": ClassFigures(0.76, 0.39, 0.52),
    "fear": ClassFigures(0.45, 0.34, 0.39),
    "happy": ClassFigures(0.61, 0.82, 0.70),
    "sad": ClassFigures(0.46, 0.38, 0.42),
    "surprise": ClassFigures(0.72, 0.71, 0.71),
    "neutral": ClassFigures(0.45, 0.44, 0.44),
}


def class_table(classes: Sequence[str], tests: Sequence[Scores]) -> Table:
    """Test scores by class, the mean over seeds, with the paper's beside them."""
    table = plain_table(
        ["class", "precision", "recall", "F1", "faces", "paper's: P", "R", "F1"], []
    )
    measured = np.array([[s.precision, s.recall, s.f1] for s in tests])  # (seeds, 3, C)
    support = tests[0].confusion.sum(axis=1)
    for index, name in enumerate(classes):
        cells = [_spread(measured[:, measure, index]) for measure in range(3)]
        paper = TEST_BY_CLASS.get(name)
        beside = [f"{value:.2f}" for value in paper] if paper else ["-"] * 3
        table.add_row(name, *cells, str(support[index]), *beside)
    cells = [_spread(measured[:, measure].mean(axis=1)) for measure in range(3)]
    beside = [f"{value:.2f}" for value in TEST_MACRO]
    table.add_row("macro mean", *cells, str(support.sum()), *beside, style="bold")
    return table


def overall_table(best: Sequence[EpochResult], tests: Sequence[Scores]) -> Table:
    """Accuracies and gaps, the mean over seeds, with the paper's beside them."""
    train = np.array([each.metrics["train/accuracy"] for each in best])
    validation = np.array([each.metrics["val/accuracy"] for each in best])
    test = np.array([each.accuracy for each in tests])
    rows = [
        ("train accuracy", train, f"{TRAIN_ACCURACY:.3f}"),
        ("validation accuracy", validation, "-"),
        ("gap: train - validation", train - validation, "-"),
        ("test accuracy", test, f"{TEST_ACCURACY:.3f}"),
        ("train - test", train - test, f"{TRAIN_ACCURACY - TEST_ACCURACY:.3f}"),
    ]
    return plain_table(
        ["", "here", "paper"], [(name, _spread(values, 3), paper) for name, values, paper in rows]
    )


def _spread(values: NDArray[np.float64], digits: int = 2) -> str:
    """The mean, and where there are several values their standard deviation."""
    mean = f"{values.mean():.{digits}f}"
    return mean if len(values) < 2 else f"{mean} ± {values.std(ddof=1):.{digits}f}"
