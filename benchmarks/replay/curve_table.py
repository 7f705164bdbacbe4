"""The table of learning curves, read and checked."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Annotated, Any, NamedTuple

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
    """A line of the table: a configuration, and what each of its epochs gave.

    config: the parameters of the space that it has.
    scores: on the validation faces, larger is better; fewer epochs than others have if it diverged.
    gaps: train minus validation accuracy.
    seconds: that an epoch took one core.
    """

    model_config = ConfigDict(frozen=True)

    config: Point
    scores: tuple[Score, ...]
    gaps: tuple[float, ...]
    seconds: tuple[Annotated[float, Field(gt=0)], ...]


class PredictedCurve(NamedTuple):
    """A score an epoch, and the seconds that it took a core."""

    scores: tuple[float, ...]
    seconds: tuple[float, ...]


@dataclass(frozen=True)
class CurveTable:
    """Learning curves of configurations of a space, and a forest that answers for all others.

    epochs: of full length.
    """

    space: SearchSpace
    curves: tuple[RecordedCurve, ...]

    @property
    def epochs(self) -> int:
        return max(len(each.scores) for each in self.curves)

    @property
    def parameters(self) -> Parameters:
        """Of the space, as `SurrogateForest` takes them."""
        described: Mapping[str, Any] = self.space.model_dump(mode="json", exclude_none=True)
        return dict(described["parameters"])

    @property
    def configs(self) -> list[Point]:
        return [each.config for each in self.curves]

    @cached_property
    def scores(self) -> NDArray[np.float64]:
        """(N, E); what diverged has 0 from there on."""
        return np.array([_pad_values(each.scores, 0, self.epochs) for each in self.curves])

    @cached_property
    def seconds(self) -> NDArray[np.float64]:
        """(N, E); of what diverged, the last one's from there on."""
        return np.array(
            [
                _pad_values(each.seconds, (1.0, *each.seconds)[-1], self.epochs)
                for each in self.curves
            ]
        )

    @cached_property
    def best_score(self) -> float:
        """The best score of any epoch of any of its configurations, as the forest answers."""
        return max(float(self._score_forest(config).max()) for config in self.configs)

    @property
    def rank_correlation(self) -> float:
        """How well the forest tells a configuration's score that it does not know, 1 at most.

        Spearman's correlation of the two over the table, in ten folds.
        """
        own, told = (
            pd.Series(each.max(axis=1))
            for each in (self.scores, self._score_forest.predict_left_out())
        )
        return float(own.rank().corr(told.rank()))

    def predict_curve(self, config: Config) -> PredictedCurve:
        """What a trial of the configuration gives."""
        return PredictedCurve(
            tuple(self._score_forest(config).tolist()), tuple(self._seconds_forest(config).tolist())
        )

    @cached_property
    def _score_forest(self) -> SurrogateForest:
        return SurrogateForest(self.parameters, self.configs, self.scores)

    @cached_property
    def _seconds_forest(self) -> SurrogateForest:
        return SurrogateForest(self.parameters, self.configs, self.seconds)


def _pad_values(values: Sequence[float], beyond: float, count: int) -> list[float]:
    return [*values, *[beyond] * (count - len(values))]


def load_curve_table(path: Path, space: SearchSpace) -> CurveTable:
    """Read a table of configurations of `space`, one line of JSON each.

    Raises UserError: one line that names the file and its line.
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
            told = error.errors()[0]["msg"] if isinstance(error, ValidationError) else error
            raise UserError(f"{path}, line {number}: {told}; record it again") from error
        curves.append(curve)
    if not any(curve.scores for curve in curves):
        raise UserError(f"{path}: holds no learning curve; record some first")
    return CurveTable(space, tuple(curves))


def _check_curve(curve: RecordedCurve, space: SearchSpace) -> None:
    """Raise ValueError where the space could not have given the line."""
    if not len(curve.scores) == len(curve.gaps) == len(curve.seconds):
        raise ValueError("scores, gaps and seconds are not of as many epochs")
    if set(curve.config) - set(space.parameters):
        raise ValueError(f"parameters that the space lacks: {curve.config}")
    if not np.isfinite(curve.gaps).all():
        raise ValueError("a gap is no number")
    try:
        point = space.extract_point(curve.config)
    except KeyError as error:
        raise ValueError(f"parameter {error.args[0]} is missing") from error
    if point != curve.config:
        raise ValueError("parameters that do not exist beside the others")
    for name, value in point.items():
        if not space.parameters[name].contains(value):
            raise ValueError(f"{name}: {value} is outside the space")
