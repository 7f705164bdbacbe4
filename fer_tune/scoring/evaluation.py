"""What the predictions of a model for labelled faces say about it, the same for all commands."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from fer_tune.scoring import calibration
from fer_tune.scoring.metric_estimates import ClassEstimates, Estimate, estimate_class_scores
from fer_tune.scoring.metrics import Scores, build_split_metrics
from fer_tune.scoring.predictions import Predictions, build_confusion_matrix
from fer_tune.scoring.significance import ScoreIntervals, bootstrap_intervals


@dataclass(frozen=True, eq=False)
class Evaluation:
    """The predictions of a model for labelled faces, and the scores that follow from them.

    classes: class names by label.
    is_duplicate: (N,) bool, whether a face is an exact duplicate of a training face of the model;
        None if these are not at hand.
    """

    classes: Sequence[str]
    predictions: Predictions
    is_duplicate: NDArray[np.bool_] | None = None

    @cached_property
    def scores(self) -> Scores:
        """The scores; the loss is NaN if the probabilities are not known."""
        truth, probabilities = self.predictions.truth, self.predictions.probabilities
        loss = float("nan")
        if probabilities is not None:
            loss = calibration.measure_cross_entropy(probabilities, truth)
        confusion = build_confusion_matrix(truth, self.predictions.predicted, len(self.classes))
        return Scores(loss, confusion)

    @cached_property
    def intervals(self) -> ScoreIntervals:
        return bootstrap_intervals(self.scores.confusion)

    @property
    def accuracy(self) -> Estimate:
        return Estimate(self.scores.accuracy, self.intervals.accuracy)

    @property
    def macro_f1(self) -> Estimate:
        return Estimate(self.scores.macro_f1, self.intervals.macro_f1)

    @property
    def by_class(self) -> list[ClassEstimates]:
        """Scores of each class, then their means."""
        return estimate_class_scores(self.scores.confusion, self.classes)

    @property
    def calibration_error(self) -> float | None:
        """The expected calibration error; None if the probabilities are not known."""
        truth, probabilities = self.predictions.truth, self.predictions.probabilities
        if probabilities is None:
            return None
        return calibration.measure_calibration_error(probabilities, truth)

    @property
    def duplicates(self) -> int | None:
        """Number of faces that the model trained on; None if it is not known."""
        return None if self.is_duplicate is None else int(self.is_duplicate.sum())

    @property
    def without_duplicates(self) -> "Evaluation | None":
        """The evaluation on the other faces; None if there are none, or if all are others."""
        if self.is_duplicate is None or self.is_duplicate.all() or not self.is_duplicate.any():
            return None
        others = self.predictions.take(np.flatnonzero(~self.is_duplicate))
        return replace(self, predictions=others, is_duplicate=None)

    def describe_calibration(self) -> str:
        """Return the calibration error in a sentence or two; empty if it is not known."""
        error = self.calibration_error
        if error is None:
            return ""
        excess = float(self.predictions.probability.mean()) - self.scores.accuracy
        direction = "high" if excess > 0 else "low"
        return (
            f"Expected calibration error {error:.3f}: on average, the probability of the predicted "
            f"class is {abs(excess):.3f} too {direction}."
        )

    def find_worst_mistakes(self, limit: int) -> list[int]:
        """Return the positions of wrongly predicted faces, the most confident first."""
        order = np.argsort(-self.predictions.probability, kind="stable")
        is_wrong = self.predictions.predicted != self.predictions.truth
        return [int(index) for index in order if is_wrong[index]][:limit]

    def build_metrics(self, split: str) -> dict[str, float]:
        """Return the scores by the names of metrics in MLflow, such as `test/accuracy`."""
        values = build_split_metrics(split, self.scores, self.classes)
        for name in ("accuracy", "macro_f1"):
            interval = getattr(self.intervals, name)
            values |= {f"{split}/{name}_low": interval.low, f"{split}/{name}_high": interval.high}
        if (error := self.calibration_error) is not None:
            values[f"{split}/calibration_error"] = error
        return {name: value for name, value in values.items() if not np.isnan(value)}
