"""The search space of a study."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from graphlib import CycleError, TopologicalSorter
from typing import TYPE_CHECKING, Annotated

import yaml
from pydantic import Field

from fer_tune.common.validation_errors import truncate_value
from fer_tune.data.resampling import DATA_PLANS, DataPlan
from fer_tune.study.search_space.parameters import FloatRange, Parameter, Point, StrictModel, Value
from fer_tune.trial_config import BASELINE, TrialConfig

if TYPE_CHECKING:
    from optuna import Trial
    from optuna.distributions import BaseDistribution


_BASELINE_POINT: Point = BASELINE.model_dump()


class MetricLimit(StrictModel):
    """An upper bound of a metric."""

    at_most: Annotated[float, Field(ge=0, le=1)]


class BestTrialConstraints(StrictModel):
    """The constraints on the best trial of a study.

    gap: bound of the gap at the trial's best epoch.
    """

    gap: MetricLimit


class SearchSpace(StrictModel):
    """The parameters that a study varies, and how.

    parameters: by their names in TrialConfig. The baseline is the first trial of every study, so
        a parameter's range includes the baseline's value if the baseline has the parameter. A
        trial without a parameter uses the baseline's value.
    fixed: values that differ from the baseline's, for all trials except the baseline.
    first_trials: points to try directly after the baseline. Values that a point omits are the
        baseline's.
    constraints: the best trial is the best of those that satisfy them.
    """

    parameters: Annotated[dict[str, Parameter], Field(min_length=1)]
    fixed: Annotated[Point, Field(default_factory=dict)]
    first_trials: tuple[Point, ...] = ()
    constraints: BestTrialConstraints | None = None

    @property
    def max_gap(self) -> float | None:
        """The largest gap that the best trial may have; None for any."""
        return self.constraints.gap.at_most if self.constraints else None

    def evaluate_constraints(self, gap: float | None) -> dict[str, float]:
        """Return the constraints of a trial for Optuna: how far its gap exceeds the limit."""
        return {} if gap is None or self.max_gap is None else {"gap": gap - self.max_gap}

    def list_first_points(self) -> list[Point]:
        """Return the complete points of the first trials: the baseline, then the space's own."""
        baseline, own = self.complete_point({}), list[Point]()
        for point in map(self.complete_point, self.first_trials):
            # With `fixed` values, a trial at the baseline's point differs from the baseline.
            if point not in own and (self.fixed or point != baseline):
                own.append(point)
        return [baseline, *own]

    def complete_point(self, point: Point) -> Point:
        """Return the point with the baseline's value for each parameter that it omits."""
        return self.extract_point({**_BASELINE_POINT, **point})

    def extract_point(self, values: Mapping[str, Value]) -> Point:
        """Return the parameters that a trial has, from the values of its configuration."""
        return self._build_point(values.__getitem__)

    def suggest_point(self, trial: Trial) -> Point:
        """Return the parameters that `trial` has, with the values that Optuna suggests."""
        return self._build_point(lambda name: self.parameters[name].suggest_value(name, trial))

    def _build_point(self, get_value: Callable[[str], Value]) -> Point:
        point: Point = {}
        for name in _sort_parents_first(self.parameters):
            when = (self.parameters[name].when or {}).items()
            if all(parent in point and point[parent] in values for parent, values in when):
                point[name] = get_value(name)
        return {name: point[name] for name in self.parameters if name in point}

    def fill_inactive(self, config: TrialConfig) -> Point:
        """Return a value for every parameter; those that the trial lacks get a constant."""
        values = config.model_dump()
        return {
            name: values[name] if each.contains(values[name]) else each.representative_values()[0]
            for name, each in self.parameters.items()
        }

    def contains_config(self, config: TrialConfig) -> bool:
        """Return whether a trial of this space can have these values of the parameters."""
        return not self.parameters.keys() & self.find_settings_outside(config)

    def find_settings_outside(self, config: TrialConfig) -> list[str]:
        """Return the names of the values that no trial of this space has, except the baseline."""
        values, defaults = config.model_dump(), {**_BASELINE_POINT, **self.fixed}
        point = self.extract_point(values)

        def is_inside(name: str, value: Value) -> bool:
            if name in point:
                return self.parameters[name].contains(value)
            return bool(value == defaults[name])

        return [name for name, value in values.items() if not is_inside(name, value)]

    @property
    def is_conditional(self) -> bool:
        """Whether some trials have parameters that others lack."""
        return any(parameter.when for parameter in self.parameters.values())

    def to_distributions(self) -> dict[str, BaseDistribution]:
        """Return the parameters as Optuna's distributions."""
        return {name: each.to_distribution() for name, each in self.parameters.items()}

    def data_plans(self) -> list[DataPlan]:
        """Return the data plans that trials may have; always `original`, for the baseline."""
        plans = self.list_values("data_plan")
        return [plan for plan in DATA_PLANS if plan in plans or plan == BASELINE.data_plan]

    def list_values(self, name: str) -> tuple[Value | None, ...]:
        """Return the values of a choice that trials may have, except the baseline's own."""
        parameter = self.parameters.get(name)
        return parameter.representative_values() if parameter else (self.fixed.get(name),)

    def to_yaml(self) -> str:
        """Return the space as YAML, including defaults."""
        content = self.model_dump(mode="json", exclude_none=True)
        return str(yaml.safe_dump(content, sort_keys=False, default_flow_style=None, width=100))


def _sort_parents_first(parameters: Mapping[str, Parameter]) -> list[str]:
    """Return the names, each after the parameters that its `when` names.

    Raises graphlib.CycleError if some parameters depend on each other.
    """
    parents = {name: tuple(parameter.when or ()) for name, parameter in parameters.items()}
    return list(TopologicalSorter(parents).static_order())


def find_condition_errors(parameters: Mapping[str, Parameter]) -> Iterator[str]:
    """Yield the errors in the conditions, as `key: problem`."""
    for name, parameter in parameters.items():
        for parent, values in (parameter.when or {}).items():
            key = f"parameters.{name}.when.{parent}"
            other = parameters.get(parent)
            if other is None:
                yield f"{key}: not a parameter of this space"
            elif isinstance(other, FloatRange):
                yield f"{key}: a float; conditions are on choices and whole numbers"
            else:
                for value in values:
                    if not other.contains(value):
                        yield f"{key}: {truncate_value(value)} is outside its range"
    try:
        _sort_parents_first(parameters)
    except CycleError as error:
        cycle = error.args[1][::-1]
        yield f"parameters.{cycle[0]}.when: a cycle: {' depends on '.join(cycle)}"
