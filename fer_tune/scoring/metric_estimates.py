"""Estimates: metrics with their confidence intervals, and their differences in words."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from fer_tune.scoring.metrics import EpochResult, Scores, parse_classes
from fer_tune.scoring.significance import ConfidenceInterval, bootstrap_intervals, judge_difference

_SMALLEST_LOSS = 0.005  # smaller losses are not worth a sentence
_MAX_LOSSES = 3  # number of scores that are listed

Matrix = Sequence[Sequence[int]] | NDArray[np.int64]  # (C, C) counts; rows truth


class Estimate(NamedTuple):
    """A number and its 95 % interval, if it has one."""

    value: float
    interval: ConfidenceInterval | None = None

    def __format__(self, spec: str) -> str:
        """Return `0.612 (0.598 to 0.626)`; `spec` formats each number, `.3f` by default."""
        numbers = [f"{number:{spec or '.3f'}}" for number in (self.value, *(self.interval or ()))]
        return "{} ({} to {})".format(*numbers) if self.interval else numbers[0]

    def format_size(self) -> str:
        """Return the size of a difference, with a verdict if it has an interval.

        For example, `0.012 (may be chance)`.
        """
        verdict = f" ({judge_difference(self.interval)})" if self.interval else ""
        return f"{abs(self.value):.3f}{verdict}"

    @property
    def error_bars(self) -> tuple[float, float]:
        """Lengths of the interval below and above the value."""
        low, high = self.interval or (self.value, self.value)
        return max(self.value - low, 0.0), max(high - self.value, 0.0)


class ClassEstimates(NamedTuple):
    """The scores of a class, or their means over the classes, with intervals.

    faces: number of faces of the class.
    """

    name: str
    precision: Estimate
    recall: Estimate
    f1: Estimate
    faces: int


def estimate_class_scores(confusion: Matrix, classes: Sequence[str]) -> list[ClassEstimates]:
    """Return the scores of each class; the last row, "macro mean", has their means."""
    scores = Scores(0.0, np.asarray(confusion, dtype=np.int64))
    intervals, faces = bootstrap_intervals(scores.confusion), scores.confusion.sum(axis=1)
    measures = ("precision", "recall", "f1")
    by_class = [
        map(Estimate, getattr(scores, name).tolist(), getattr(intervals, name)) for name in measures
    ]
    precision, recall, f1 = (
        Estimate(float(getattr(scores, name).mean()), getattr(intervals, f"macro_{name}"))
        for name in measures
    )
    rows = map(ClassEstimates, classes, *by_class, faces.tolist())
    return [*rows, ClassEstimates("macro mean", precision, recall, f1, int(faces.sum()))]


def estimate_metric(result: EpochResult, metric: str) -> Estimate:
    """Return a metric of an epoch; its interval shows the influence of the validation faces.

    Accuracy, macro F1, the scores of single classes and the gap have an interval if the epoch's
    confusion matrix is known. The gap's interval assumes as many training as validation faces. It
    is too narrow if the data plan `balanced` leaves fewer training faces.
    """
    value, confusion = result.metrics[metric], np.asarray(result.confusion, dtype=np.int64)
    if not confusion.sum():
        return Estimate(value)
    intervals, classes = bootstrap_intervals(confusion), parse_classes(result.metrics)
    measure, _, name = metric.removeprefix("val_").partition("/")
    if metric == "val/accuracy":
        return Estimate(value, intervals.accuracy)
    if metric == "val/macro_f1":
        return Estimate(value, intervals.macro_f1)
    if measure in ("precision", "recall", "f1") and len(classes) == len(confusion):
        return Estimate(value, getattr(intervals, measure)[classes.index(name)])
    if metric == "gap":
        validation = result.metrics["val/accuracy"]
        both = np.array([validation, validation + value])
        error = 1.96 * float(np.sqrt((both * (1 - both)).clip(0).sum() / confusion.sum()))
        return Estimate(value, ConfidenceInterval(value - error, value + error))
    return Estimate(value)


def estimate_metric_difference(better: EpochResult, other: EpochResult, metric: str) -> Estimate:
    """Return how much larger a metric is in one epoch than in another.

    The interval assumes different validation faces for the two. Both have the same faces, so it
    is rather too wide.
    """
    return _subtract(estimate_metric(better, metric), estimate_metric(other, metric))


def describe_losses(
    ours: Matrix,
    theirs: Matrix,
    classes: Sequence[str],
    gap_change: Estimate | None = None,
    skip: str = "",
) -> str:
    """Return a sentence, after a blank, on what is worse in our scores; empty if nothing is.

    ours, theirs: confusion matrices of the same faces. If one is empty, only the gap is compared.
    classes: by label.
    gap_change: our gap minus theirs; None if it is unknown.
    skip: name of a score that the text leaves out.
    """
    after, before = _estimate_scores(ours, classes), _estimate_scores(theirs, classes)
    changes = {name: _subtract(after[name], before[name]) for name in after if name in before}
    falls = sorted(changes.items(), key=lambda item: item[1].value)
    falls = [each for each in falls if each[0] != skip and each[1].value <= -_SMALLEST_LOSS]
    parts = [f"{name} by {change.format_size()}" for name, change in falls[:_MAX_LOSSES]]
    if gap_change and gap_change.value >= _SMALLEST_LOSS and skip != "gap":
        parts.append(f"the gap by {gap_change.format_size()}")
    return f" It is worse in: {', '.join(parts)}." if parts else ""


def _estimate_scores(confusion: Matrix, classes: Sequence[str]) -> dict[str, Estimate]:
    scores = Scores(0.0, np.array(confusion, dtype=np.int64))
    if not scores.confusion.sum():
        return {}
    *by_class, mean = estimate_class_scores(scores.confusion, classes)
    return {
        "macro F1": mean.f1,
        "accuracy": Estimate(scores.accuracy, bootstrap_intervals(scores.confusion).accuracy),
        **{f"{own.name} F1": own.f1 for own in by_class},
    }


def _subtract(first: Estimate, second: Estimate) -> Estimate:
    value = first.value - second.value
    if not (first.interval and second.interval):
        return Estimate(value)
    below = float(np.hypot(first.error_bars[0], second.error_bars[1]))
    above = float(np.hypot(first.error_bars[1], second.error_bars[0]))
    return Estimate(value, ConfidenceInterval(value - below, value + above))
