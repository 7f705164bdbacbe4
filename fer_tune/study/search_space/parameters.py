"""Types of parameters in a search space: float, int, choice."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Annotated, Any, Literal, Self, cast

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, model_validator

from fer_tune.trial_config import BASELINE

if TYPE_CHECKING:
    from optuna import Trial
    from optuna.distributions import BaseDistribution

Value = bool | int | float | str
Point = dict[str, Value]
# No parameter needs larger numbers, and arithmetic fails above the largest float.
Int32 = Annotated[int, Field(ge=-(2**31), lt=2**31)]


class StrictModel(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


def _to_tuple(value: Any) -> Any:
    return value if isinstance(value, list | tuple) else (value,)


# A single value needs no list.
Values = Annotated[tuple[Value, ...], BeforeValidator(_to_tuple), Field(min_length=1)]
# A trial has a parameter only if each of these parameters has one of the values. None: always.
When = Annotated[dict[str, Values], Field(min_length=1)] | None


class _Range(StrictModel):
    """Numbers from low to high, both included.

    log: sample uniformly in the logarithm.
    """

    type: str
    low: float
    high: float
    log: bool = False
    when: When = None

    @model_validator(mode="after")
    def _validate_range(self) -> Self:
        if not (math.isfinite(self.low) and math.isfinite(self.high) and self.low < self.high):
            raise ValueError(f"low {self.low} is not below high {self.high}")
        if self.log and self.low <= 0:
            raise ValueError(f"low {self.low} has no logarithm")
        return self

    def representative_values(self) -> tuple[Value, ...]:
        return self.low, self.high


class FloatRange(_Range):
    """A range of floats."""

    type: Literal["float"]

    def contains(self, value: Value) -> bool:
        return isinstance(value, int | float) and self.low <= value <= self.high

    def to_distribution(self) -> BaseDistribution:
        from optuna.distributions import FloatDistribution

        return FloatDistribution(self.low, self.high, log=self.log)

    def suggest_value(self, name: str, trial: Trial) -> Value:
        return trial.suggest_float(name, self.low, self.high, log=self.log)


class IntRange(_Range):
    """A range of integers, in steps."""

    type: Literal["int"]
    low: Int32
    high: Int32
    step: Annotated[Int32, Field(ge=1)] = 1

    @model_validator(mode="after")
    def _validate_step(self) -> Self:
        if self.log and self.step != 1:
            raise ValueError("log and step do not go together")
        if (self.high - self.low) % self.step:
            raise ValueError(f"step {self.step} does not lead from {self.low} to {self.high}")
        return self

    def contains(self, value: Value) -> bool:
        return value in range(self.low, self.high + 1, self.step)

    def to_distribution(self) -> BaseDistribution:
        from optuna.distributions import IntDistribution

        return IntDistribution(self.low, self.high, log=self.log, step=self.step)

    def suggest_value(self, name: str, trial: Trial) -> Value:
        return trial.suggest_int(name, self.low, self.high, log=self.log, step=self.step)


class Choice(StrictModel):
    """One of a list of values."""

    type: Literal["choice"]
    values: Annotated[tuple[Value, ...], Field(min_length=1)]
    when: When = None

    @model_validator(mode="after")
    def _validate_values(self) -> Choice:
        if len(set(self.values)) < len(self.values):
            raise ValueError("values repeat")
        return self

    def representative_values(self) -> tuple[Value, ...]:
        return self.values

    def contains(self, value: Value) -> bool:
        return value in self.values

    def to_distribution(self) -> BaseDistribution:
        from optuna.distributions import CategoricalDistribution

        return CategoricalDistribution(self.values)

    def suggest_value(self, name: str, trial: Trial) -> Value:
        return cast("Value", trial.suggest_categorical(name, self.values))


Parameter = Annotated[FloatRange | IntRange | Choice, Field(discriminator="type")]


def make_choices(values: Point) -> dict[str, Parameter]:
    """Return parameters that each have the baseline's value or this one, by name."""
    return {
        name: Choice(type="choice", values=(getattr(BASELINE, name), value))
        for name, value in values.items()
    }
