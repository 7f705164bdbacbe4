"""Table of recorded learning curves, and a forest that predicts curves from it."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Annotated, NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from benchmarks.replay.surrogate_forest import Config, Parameters, SurrogateForest
from fer_tune.common.errors import UserError
from fer_tune.study.search_space.parameters import Point
from fer_tune.study.search_space.space import SearchSpace

Score = Annotated[float, Field(ge=0, le=1)]


class RecordedCurve(BaseModel):
    """Line of the table: a configuration with the results of its epochs.

    config: values of the space's active parameters.
    scores: scores on the validation faces, larger is better; fewer epochs if training diverged.
    gaps: training minus validation accuracy.
    seconds: seconds of an epoch on one core.
    """

    model_config = ConfigDict(frozen=True)

    config: Point
    scores: tuple[Score, ...]
    gaps: tuple[float, ...]
    seconds: tuple[Annotated[float, Field(gt=0)], ...]


class PredictedCurve(NamedTuple):
    """Score and core-seconds of each epoch."""

    scores: tuple[float, ...]
    seconds: tuple[float, ...]


@dataclass(frozen=True)
class CurvePredictor:
    """Learning curves of configurations of a space, and forests that predict all others."""

    space: SearchSpace
    curves: tuple[RecordedCurve, ...]

    @property
    def epochs(self) -> int:
        """Epochs of a completed trial."""
        return max(len(curve.scores) for curve in self.curves)

    @property
    def parameters(self) -> Parameters:
        """Parameters of the space, as `SurrogateForest` takes them."""
        return dict(self.space.model_dump(mode="json", exclude_none=True)["parameters"])

    @property
    def configs(self) -> list[Point]:
        return [curve.config for curve in self.curves]

    @cached_property
    def scores(self) -> NDArray[np.float64]:
        """(N, E); after divergence, scores are 0."""
        return np.array([_pad_values(curve.scores, 0, self.epochs) for curve in self.curves])

    @cached_property
    def seconds(self) -> NDArray[np.float64]:
        """(N, E); after divergence, the seconds of the last epoch."""
        rows = [(curve.seconds, (1.0, *curve.seconds)[-1]) for curve in self.curves]
        return np.array([_pad_values(values, last, self.epochs) for values, last in rows])

    @cached_property
    def best_score(self) -> float:
        """Best score of any epoch and configuration of the table, as the forest predicts it."""
        return max(float(self._score_forest(config).max()) for config in self.configs)

    @property
    def rank_correlation(self) -> float:
        """Spearman's correlation of recorded and predicted best scores, cross-validated."""
        predicted = self._score_forest.predict_left_out()
        ranks = [pd.Series(scores.max(axis=1)).rank() for scores in (self.scores, predicted)]
        return float(ranks[0].corr(ranks[1]))

    def predict_curve(self, config: Config) -> PredictedCurve:
        """Predict the learning curve of a configuration."""
        forests = (self._score_forest, self._seconds_forest)
        return PredictedCurve(*(tuple(forest(config).tolist()) for forest in forests))

    @cached_property
    def _score_forest(self) -> SurrogateForest:
        return SurrogateForest(self.parameters, self.configs, self.scores)

    @cached_property
    def _seconds_forest(self) -> SurrogateForest:
        return SurrogateForest(self.parameters, self.configs, self.seconds)


def _pad_values(values: Sequence[float], padding: float, count: int) -> list[float]:
    return [*values, *[padding] * (count - len(values))]


def load_curve_table(path: Path, space: SearchSpace) -> CurvePredictor:
    """Load a table of configurations of `space`, one JSON line for each.

    Raises UserError if a line is not a curve of the space; the error names the file and the line.
    """
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except OSError as error:
        raise UserError(f"{path}: cannot be read: {error.strerror}; give another table") from error
    curves = []
    for number, line in enumerate(lines, start=1):
        try:
            curve = RecordedCurve.model_validate(json.loads(line))
            _check_curve(curve, space)
        except (ValidationError, ValueError) as error:
            reason = error.errors()[0]["msg"] if isinstance(error, ValidationError) else error
            raise UserError(f"{path}, line {number}: {reason}; record it again") from error
        curves.append(curve)
    if not any(curve.scores for curve in curves):
        raise UserError(f"{path}: has no learning curve; record some first")
    return CurvePredictor(space, tuple(curves))


def _check_curve(curve: RecordedCurve, space: SearchSpace) -> None:
    """Raise ValueError if the space cannot contain the configuration, or values are invalid."""
    if not len(curve.scores) == len(curve.gaps) == len(curve.seconds):
        raise ValueError("scores, gaps and seconds have different numbers of epochs")
    if set(curve.config) - set(space.parameters):
        raise ValueError(f"parameters that the space does not have: {curve.config}")
    if not np.isfinite(curve.gaps).all():
        raise ValueError("a gap is not a number")
    try:
        point = space.extract_point(curve.config)
    except KeyError as error:
        raise ValueError(f"parameter {error.args[0]} is missing") from error
    if point != curve.config:
        raise ValueError("parameters that are inactive in this configuration")
    for name, value in point.items():
        if not space.parameters[name].contains(value):
            raise ValueError(f"{name}: {value} is outside the space")
