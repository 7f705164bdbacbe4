"""The table of learning curves, read and checked."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Annotated, Any

import numpy as np
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from benchmarks.replay.nearest import Config, Nearest, Parameters
from benchmarks.replay.weights import left_out, weights_of
from fer_tune.errors import UserError
from fer_tune.study.parameters import Point
from fer_tune.study.space import SearchSpace

Score = Annotated[float, Field(ge=0, le=1)]


class Curve(BaseModel):
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


@dataclass(frozen=True)
class Table:
    """Learning curves of configurations of a space.

    even: whether all parameters count the same for what is nearest.
    epochs: of full length.
    """

    space: SearchSpace
    curves: tuple[Curve, ...]
    even: bool = False

    @property
    def epochs(self) -> int:
        return max(len(each.scores) for each in self.curves)

    @property
    def best(self) -> float:
        """The best score of any epoch of any configuration."""
        return max(self._scores)

    @property
    def parameters(self) -> Parameters:
        """Of the space, as `nearest` takes them."""
        described: Mapping[str, Any] = self.space.model_dump(mode="json", exclude_none=True)
        return dict(described["parameters"])

    @cached_property
    def weights(self) -> dict[str, float] | None:
        """Of the parameters, for what is nearest; None where all count the same."""
        if self.even:
            return None
        return weights_of(self.parameters, [each.config for each in self.curves], self._scores)

    @cached_property
    def _scores(self) -> list[float]:
        return [max(each.scores, default=0.0) for each in self.curves]

    @cached_property
    def _nearest(self) -> Nearest:
        return Nearest(self.parameters, [each.config for each in self.curves], self.weights)

    @property
    def likeness(self) -> float:
        """How well a configuration's score is known by the nearest other one's, 1 at most.

        Spearman's correlation of the two over the table.
        """
        return left_out(self._nearest, self._scores)

    def curve(self, config: Config) -> Curve:
        """What answers for a configuration: the nearest one's, as surrogates of tables do.

        (`KNeighborsRegressor(n_neighbors=1)` in Syne Tune, Salinas et al. 2022, section 4.)
        """
        return self.curves[self._nearest(config)]


def read_table(path: Path, space: SearchSpace, even: bool = False) -> Table:
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
            curve = Curve.model_validate(json.loads(line))
            _check(curve, space)
        except (ValidationError, ValueError) as error:
            told = error.errors()[0]["msg"] if isinstance(error, ValidationError) else error
            raise UserError(f"{path}, line {number}: {told}; record it again") from error
        curves.append(curve)
    if not any(curve.scores for curve in curves):
        raise UserError(f"{path}: holds no learning curve; record some first")
    return Table(space, tuple(curves), even)


def _check(curve: Curve, space: SearchSpace) -> None:
    """Raise ValueError where the space could not have given the line."""
    if not len(curve.scores) == len(curve.gaps) == len(curve.seconds):
        raise ValueError("scores, gaps and seconds are not of as many epochs")
    if set(curve.config) - set(space.parameters):
        raise ValueError(f"parameters that the space lacks: {curve.config}")
    if not np.isfinite(curve.gaps).all():
        raise ValueError("a gap is no number")
    try:
        point = space.point(curve.config)
    except KeyError as error:
        raise ValueError(f"parameter {error.args[0]} is missing") from error
    if point != curve.config:
        raise ValueError("parameters that do not exist beside the others")
    for name, value in point.items():
        if not space.parameters[name].contains(value):
            raise ValueError(f"{name}: {value} is outside the space")
