"""Search spaces: search_spaces/*.yaml, checked when read."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated

import yaml
from pydantic import Field

from fer_tune.data.resampling import DATA_PLANS, DataPlan
from fer_tune.study.search_space import conditions
from fer_tune.study.search_space.parameters import Parameter, Point, StrictModel, Value
from fer_tune.trial_config import BASELINE, TrialConfig

if TYPE_CHECKING:
    from optuna import Trial
    from optuna.distributions import BaseDistribution

_BASELINE_POINT: Point = BASELINE.model_dump()


class UpperBound(StrictModel):
    """A metric is not to be larger."""

    at_most: Annotated[float, Field(ge=0, le=1)]


class Constraints(StrictModel):
    """What the best trial of a study has to keep to.

    gap: at the epoch that scores the trial.
    """

    gap: UpperBound


class SearchSpace(StrictModel):
    """What a study varies.

    parameters: by their names in TrialConfig. Each that the paper's configuration has contains
        its value there, since that is every study's first trial. Of one that a trial does not
        have, the trial has the paper's value.
    fixed: other values than the paper's, for every trial but that first one.
    first_trials: points to try right after it; what a point leaves out is as in the paper.
    constraints: the best trial is the best of those that keep to them.
    """

    parameters: Annotated[dict[str, Parameter], Field(min_length=1)]
    fixed: Annotated[Point, Field(default_factory=dict)]
    first_trials: tuple[Point, ...] = ()
    constraints: Constraints | None = None

    @property
    def max_gap(self) -> float | None:
        """The largest gap that the best trial may have; None for any."""
        return self.constraints.gap.at_most if self.constraints else None

    def evaluate_constraints(self, gap: float | None) -> dict[str, float]:
        """As Optuna takes them, of a trial with this gap: by how much it is above the largest."""
        return {} if gap is None or self.max_gap is None else {"gap": gap - self.max_gap}

    def list_first_points(self) -> list[Point]:
        """The first trials, complete: the paper's, then the space's own."""
        paper, own = self.complete_point({}), list[Point]()
        for point in map(self.complete_point, self.first_trials):
            # With other fixed values, the paper's point is another trial than the paper's.
            if point not in own and (self.fixed or point != paper):
                own.append(point)
        return [paper, *own]

    def complete_point(self, point: Point) -> Point:
        """The point of a trial with these values, and else with the paper's."""
        return self.extract_point({**_BASELINE_POINT, **point})

    def extract_point(self, values: Mapping[str, Value]) -> Point:
        """Of the values of a configuration, those of the parameters that the trial has."""
        found: Point = {}
        for name in conditions.sort_parents_first(self.parameters):
            if conditions.is_active(self.parameters[name], found):
                found[name] = values[name]
        return {name: found[name] for name in self.parameters if name in found}

    def fill_inactive(self, config: TrialConfig) -> Point:
        """A value for every parameter; of one that the trial does not have, always the same."""
        values = config.model_dump()
        return {
            name: values[name] if each.contains(values[name]) else each.representative_values()[0]
            for name, each in self.parameters.items()
        }

    def contains_config(self, config: TrialConfig) -> bool:
        """Whether every parameter has a value that a trial of this space can have."""
        return not self.parameters.keys() & self.find_settings_outside(config)

    def contains_point(self, point: Point) -> bool:
        """Whether a trial of this space can have these parameters, with these values."""
        return point.keys() <= self.parameters.keys() and (
            self.complete_point(point) == point
            and all(self.parameters[name].contains(value) for name, value in point.items())
        )

    def find_settings_outside(self, config: TrialConfig) -> list[str]:
        """The settings that no trial of this space has so, but for the paper's."""
        values, usual = config.model_dump(), {**_BASELINE_POINT, **self.fixed}
        point = self.extract_point(values)
        return [
            name
            for name, value in values.items()
            if not (
                self.parameters[name].contains(value) if name in point else value == usual[name]
            )
        ]

    def suggest_point(self, trial: Trial) -> Point:
        """The parameters that `trial` has, with the values that Optuna suggests."""
        point: Point = {}
        for name in conditions.sort_parents_first(self.parameters):
            if conditions.is_active(self.parameters[name], point):
                point[name] = self.parameters[name].suggest_value(name, trial)
        return {name: point[name] for name in self.parameters if name in point}

    @property
    def is_conditional(self) -> bool:
        """Whether some trials have parameters that others have not."""
        return any(each.when for each in self.parameters.values())

    def to_distributions(self) -> dict[str, BaseDistribution]:
        """The parameters as Optuna takes them."""
        return {name: each.to_distribution() for name, each in self.parameters.items()}

    def data_plans(self) -> list[DataPlan]:
        """The data plans that trials may ask for; `original` always, for the paper's."""
        parameter = self.parameters.get("data_plan")
        asked = parameter.representative_values() if parameter else (self.fixed.get("data_plan"),)
        return [plan for plan in DATA_PLANS if plan in asked or plan == BASELINE.data_plan]

    def to_yaml(self) -> str:
        """The space as it was understood, defaults filled in."""
        text: str = yaml.safe_dump(
            self.model_dump(mode="json", exclude_none=True),
            sort_keys=False,
            default_flow_style=None,
            width=100,
        )
        return text
