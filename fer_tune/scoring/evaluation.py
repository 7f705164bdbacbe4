"""What the predictions of a model for labelled faces say about it, the same for all commands."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import NamedTuple, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray

from fer_tune.scoring import calibration, significance
from fer_tune.scoring.metric_estimates import Estimate
from fer_tune.scoring.metrics import Scores, build_split_metrics
from fer_tune.scoring.paper_results import MACRO_MEAN
from fer_tune.scoring.predictions import Predictions
from fer_tune.scoring.vote_metrics import VoteScores

MEASURES = ("precision", "recall", "f1")
_SMALLEST_LOSS = 0.005  # smaller losses are not worth a sentence
_MAX_LOSSES = 3  # number of scores that are listed


class ClassEstimates(NamedTuple):
    """The scores of a class, or their means over the classes, with intervals.

    faces: number of faces of the class.
    """

    name: str
    precision: Estimate
    recall: Estimate
    f1: Estimate
    faces: int


@dataclass(frozen=True, eq=False)
class Evaluation:
    """The predictions of a model for labelled faces, and the scores that follow from them.

    classes: class names by label.
    is_duplicate: (N,) bool, whether a face is an exact duplicate of a training face of the model;
        None if these are not at hand.
    is_near_duplicate: (N,) bool, the same for near-duplicates, to which exact duplicates belong.
    votes: scores against people's votes; None without votes.
    """

    classes: Sequence[str]
    predictions: Predictions
    is_duplicate: NDArray[np.bool_] | None = None
    is_near_duplicate: NDArray[np.bool_] | None = None
    votes: VoteScores | None = None

    @classmethod
    def from_confusion(
        cls,
        classes: Sequence[str],
        confusion: ArrayLike,  # (C, C) counts; may be empty
    ) -> Self:
        """Return the evaluation of faces of which only the confusion matrix is known."""
        counts = np.asarray(confusion, dtype=np.int64)
        cells = np.indices(counts.shape).reshape(2, -1)
        truth, predicted = np.repeat(cells, counts.ravel(), axis=1)
        return cls(classes, Predictions(truth, predicted, np.full(len(truth), np.nan)))

    @cached_property
    def scores(self) -> Scores:
        """The scores; the loss is NaN if the probabilities are not known."""
        truth, probabilities = self.predictions.truth, self.predictions.probabilities
        loss = float("nan")
        if probabilities is not None:
            loss = calibration.measure_cross_entropy(probabilities, truth)
        return Scores.from_predictions(loss, truth, self.predictions.predicted, len(self.classes))

    @cached_property
    def intervals(self) -> significance.ScoreIntervals:
        return significance.bootstrap_intervals(self.scores.confusion)

    @property
    def accuracy(self) -> Estimate:
        return Estimate(self.scores.accuracy, self.intervals.accuracy)

    @property
    def macro_f1(self) -> Estimate:
        return self.by_class[-1].f1

    @cached_property
    def by_class(self) -> list[ClassEstimates]:
        """Scores of each class, then their means."""
        columns = []
        for measure in MEASURES:
            values = getattr(self.scores, measure)
            limits = getattr(self.intervals, measure)
            columns.append(map(Estimate, [*values.tolist(), float(values.mean())], limits))
        faces = self.scores.confusion.sum(axis=1).tolist()
        names = [*self.classes, MACRO_MEAN]
        return list(map(ClassEstimates, names, *columns, [*faces, sum(faces)]))

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
        return self._leave_out(self.is_duplicate)

    @property
    def near_duplicates(self) -> int | None:
        """Number of near-duplicates of training faces, exact ones included; None if not known."""
        return None if self.is_near_duplicate is None else int(self.is_near_duplicate.sum())

    @property
    def without_near_duplicates(self) -> "Evaluation | None":
        """The same as `without_duplicates` for near-duplicates."""
        return self._leave_out(self.is_near_duplicate)

    def _leave_out(self, is_left_out: NDArray[np.bool_] | None) -> "Evaluation | None":
        if is_left_out is None or is_left_out.all() or not is_left_out.any():
            return None
        return Evaluation(self.classes, self.predictions.take(np.flatnonzero(~is_left_out)))

    @property
    def with_mirror_images(self) -> "Evaluation":
        """The evaluation with test-time augmentation, if it was tried."""
        own = self.predictions
        assert own.flip_predicted is not None
        assert own.flip_probability is not None
        flipped = Predictions(own.truth, own.flip_predicted, own.flip_probability)
        return replace(self, predictions=flipped, votes=None)

    def format_scores(self) -> str:
        """Return the scores on the test faces: `test macro F1 0.612, test accuracy 0.631`."""
        scores = self.scores
        return f"test macro F1 {scores.macro_f1:.3f}, test accuracy {scores.accuracy:.3f}"

    def compare_with(self, other: "Evaluation") -> significance.McNemarResult:
        """Return McNemar's test of this model and another on the same faces."""
        ours, theirs = self.predictions, other.predictions
        return significance.run_mcnemar_test(ours.truth, ours.predicted, theirs.predicted)

    def describe_losses(
        self, other: "Evaluation", gap_change: Estimate | None = None, skip: str = ""
    ) -> str:
        """Return a sentence, after a blank, on what is worse than in another; empty if nothing is.

        other: the evaluation of another model on the same faces. If one of the two has no faces,
            only the gap is compared.
        gap_change: our gap minus theirs; None if it is unknown.
        skip: name of a score that the text leaves out.
        """
        after, before = self._name_estimates(), other._name_estimates()
        changes = {name: after[name] - before[name] for name in after if name in before}
        falls = sorted(changes.items(), key=lambda item: item[1].value)
        falls = [each for each in falls if each[0] != skip and each[1].value <= -_SMALLEST_LOSS]
        parts = [f"{name} by {change.format_size()}" for name, change in falls[:_MAX_LOSSES]]
        if gap_change and gap_change.value >= _SMALLEST_LOSS and skip != "gap":
            parts.append(f"the gap by {gap_change.format_size()}")
        return f" It is worse in: {', '.join(parts)}." if parts else ""

    def _name_estimates(self) -> dict[str, Estimate]:
        if not len(self.predictions.truth):
            return {}
        f1 = {f"{own.name} F1": own.f1 for own in self.by_class[:-1]}
        return {"macro F1": self.macro_f1, "accuracy": self.accuracy, **f1}

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

    def find_confusions(self) -> list[tuple[float, int, int]]:
        """Return each kind of mistake, the most frequent first.

        A kind is the share of the true class's faces, the true label and the predicted one.
        """
        shares = np.ndenumerate(self.scores.shares)
        kinds = [(float(share), *cell) for cell, share in shares if share and cell[0] != cell[1]]
        return sorted(kinds, key=lambda kind: -kind[0])

    def find_worst_mistakes(self, limit: int) -> list[int]:
        """Return the positions of wrongly predicted faces, the most confident first."""
        order = np.argsort(-self.predictions.probability, kind="stable")
        is_wrong = self.predictions.predicted != self.predictions.truth
        return [int(index) for index in order if is_wrong[index]][:limit]

    def build_metrics(self, split: str) -> dict[str, float]:
        """Return the scores by the names of metrics in MLflow, such as `test/accuracy`."""
        values = build_split_metrics(split, self.scores, self.classes)
        for name in ("accuracy", "macro_f1"):
            interval = getattr(self, name).interval
            values |= {f"{split}/{name}_low": interval.low, f"{split}/{name}_high": interval.high}
        if self.votes is not None:
            values |= self.votes.build_split_metrics(split)
        if (error := self.calibration_error) is not None:
            values[f"{split}/calibration_error"] = error
        return {name: value for name, value in values.items() if not np.isnan(value)}
