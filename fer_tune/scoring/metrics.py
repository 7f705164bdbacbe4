"""The metrics of an epoch, computed from two confusion matrices and two losses."""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal, Self

import numpy as np
from numpy.typing import NDArray

# The paper's simplest question: is a face one of these, or one of the rest?
POLARITY = frozenset({"happy", "surprise", "neutral"})

# Training minus validation accuracy: on all faces, against people's votes, on agreed and on
# disputed faces, and the part of the gap from disputed faces (see `scoring/vote_metrics.py`).
GAPS = ("gap", "votes_gap", "agreed_gap", "disputed_gap", "gap_from_disputed")


@dataclass(frozen=True, eq=False)
class Scores:
    """The scores of a model on one split, in evaluation mode.

    loss: mean cross-entropy in nats, without label smoothing.
    confusion: (C, C) int64 counts; rows are true classes, columns predicted ones. The scores by
        class are also those of several matrices at once, (N, C, C).
    """

    loss: float
    confusion: NDArray[np.int64]

    @classmethod
    def from_predictions(
        cls,
        loss: float,
        truth: NDArray[np.int64],  # (N,)
        predicted: NDArray[np.int64],  # (N,)
        classes: int,
    ) -> Self:
        """Return the scores of these predictions."""
        cells = np.bincount(truth * classes + predicted, minlength=classes**2)
        return cls(loss, cells.reshape(classes, classes).astype(np.int64))

    @property
    def accuracy(self) -> float:
        return float(np.trace(self.confusion) / max(self.confusion.sum(), 1))

    @property
    def precision(self) -> NDArray[np.float64]:
        """(C,) by class; 0 if nothing was predicted as the class."""
        return _divide_or_zero(self._correct, self.confusion.sum(axis=-2))

    @property
    def recall(self) -> NDArray[np.float64]:
        """(C,) by class; 0 if the split has no face of the class."""
        return _divide_or_zero(self._correct, self.confusion.sum(axis=-1))

    @property
    def f1(self) -> NDArray[np.float64]:
        """(C,) by class; 0 if precision and recall are both 0."""
        total = self.confusion.sum(axis=-2) + self.confusion.sum(axis=-1)
        return _divide_or_zero(2 * self._correct, total)

    @property
    def shares(self) -> NDArray[np.float64]:
        """(C, C) counts as shares of the faces of the true class; 0 if it has no face."""
        return _divide_or_zero(self.confusion, self.confusion.sum(axis=-1, keepdims=True))

    @property
    def _correct(self) -> NDArray[np.int64]:
        return np.diagonal(self.confusion, axis1=-2, axis2=-1)

    @property
    def macro_f1(self) -> float:
        return float(self.f1.mean())

    def polarity_accuracy(self, classes: Sequence[str]) -> float | None:
        """Return the share of faces on the right side of POLARITY; None if classes lack it."""
        if not POLARITY.issubset(classes):
            return None
        inside = np.array([name in POLARITY for name in classes])
        agree = inside[:, None] == inside[None, :]
        return float(self.confusion[agree].sum() / max(self.confusion.sum(), 1))


def _divide_or_zero(counts: NDArray[np.int64], totals: NDArray[np.int64]) -> NDArray[np.float64]:
    return np.asarray(counts / np.maximum(totals, 1), dtype=np.float64)


@dataclass(frozen=True)
class EpochResult:
    """The result of one epoch, in types that JSON can hold.

    epoch: number of the epoch, from 1.
    metrics: values by the names that MLflow has too (see `build_epoch_metrics`).
    confusion: confusion matrix of the validation split; rows truth, columns prediction.
    seconds: duration of training and evaluation; not compared, since it differs between runs.
    """

    epoch: int
    metrics: Mapping[str, float]
    confusion: Sequence[Sequence[int]]
    seconds: float = field(default=0.0, compare=False)


def build_epoch_metrics(
    train: Scores, validation: Scores, classes: Sequence[str]
) -> dict[str, float]:
    """Return the metrics of one epoch by name.

    train: scores on the train sample, whose faces are not augmented. So `gap` is a fair comparison.
    """
    return {
        "train/accuracy": train.accuracy,
        "train/loss": train.loss,
        **build_split_metrics("val", validation, classes),
        "gap": train.accuracy - validation.accuracy,
    }


def build_split_metrics(split: str, scores: Scores, classes: Sequence[str]) -> dict[str, float]:
    """Return the scores on some faces by name: `test/accuracy`, `test_f1/<class>`, ...

    split: prefix of the names, such as "test".
    """

    names = ("accuracy", "loss", "macro_f1")
    metrics: dict[str, float] = {f"{split}/{name}": getattr(scores, name) for name in names}
    if (polarity := scores.polarity_accuracy(classes)) is not None:
        metrics[f"{split}/polarity_accuracy"] = polarity
    for measure in ("precision", "recall", "f1"):
        for name, value in zip(classes, getattr(scores, measure), strict=True):
            metrics[f"{split}_{measure}/{name}"] = float(value)
    return metrics


def metric_direction(metric: str) -> Literal["min", "max"]:
    """Return "min" for losses and gaps, "max" for other metrics."""
    return "min" if metric.endswith("/loss") or metric in GAPS else "max"


def is_better(metric: str, new: float, old: float | None) -> bool:
    """Return whether `new` is a better value of `metric` than `old`; None is the worst."""
    if old is None:
        return True
    return new < old if metric_direction(metric) == "min" else new > old


def find_best_epoch(history: Sequence[EpochResult], metric: str) -> EpochResult | None:
    """Return the first epoch with the best value of `metric`; None without epochs."""
    return max(history, key=lambda result: ranking_key(result.metrics, metric), default=None)


def ranking_key(
    metrics: Mapping[str, float],
    metric: str,
    max_gap: float | None = None,
    *,
    is_completed: bool = True,
) -> tuple[float, float]:
    """Return the sort key of a trial; the better trial has the larger key.

    Trials with a larger gap than `max_gap` rank below all others, by how far they exceed it.

    metrics: of the trial's best epoch.
    is_completed: whether the trial ran all of its epochs. The gap of a shorter trial is small
        because it has learnt little. If `max_gap` is set, such trials rank last.
    """
    excess = 0.0 if max_gap is None else max(0.0, metrics["gap"] - max_gap)
    if max_gap is not None and not is_completed:
        excess = math.inf
    return -excess, metrics[metric] * (1 if metric_direction(metric) == "max" else -1)


def parse_classes(metrics: Iterable[str]) -> tuple[str, ...]:
    """Return the classes in the names of an epoch's metrics, in the order of the names."""
    prefix = "val_f1/"
    return tuple(name.removeprefix(prefix) for name in metrics if name.startswith(prefix))


def list_metric_names(classes: Sequence[str]) -> list[str]:
    """Return the names of the metrics of an epoch with these classes."""
    empty = Scores(0.0, np.zeros((len(classes), len(classes)), dtype=np.int64))
    return list(build_epoch_metrics(empty, empty, classes))
