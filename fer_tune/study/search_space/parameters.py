"""The kinds of parameter that a search space varies."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Annotated, Any, Literal, cast

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, model_validator

if TYPE_CHECKING:
    from optuna import Trial
    from optuna.distributions import BaseDistribution

Value = bool | int | float | str
Point = dict[str, Value]
# No parameter needs more, and numbers beyond the largest float have none of its arithmetic.
Int32 = Annotated[int, Field(ge=-(2**31), lt=2**31)]


class StrictModel(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


def _to_tuple(value: Any) -> Any:
    return value if isinstance(value, list | tuple) else (value,)


# One value may stand alone.
Values = Annotated[tuple[Value, ...], BeforeValidator(_to_tuple), Field(min_length=1)]
# The values that each of these others may have, where a trial has a parameter; None: all have it.
When = Annotated[dict[str, Values], Field(min_length=1)] | None


class FloatRange(StrictModel):
    """From low to high, both included; log: drawn evenly in the logarithm."""

    type: Literal["float"]
    low: float
    high: float
    log: bool = False
    when: When = None

    @model_validator(mode="after")
    def _validate_range(self) -> FloatRange:
        _check_range(self.low, self.high, self.log)
        return self

    def representative_values(self) -> tuple[Value, ...]:
        return self.low, self.high

    def contains(self, value: Value) -> bool:
        return isinstance(value, int | float) and self.low <= value <= self.high

    def to_distribution(self) -> BaseDistribution:
        from optuna.distributions import FloatDistribution

        return FloatDistribution(self.low, self.high, log=self.log)

    def suggest_value(self, name: str, trial: Trial) -> Value:
        return trial.suggest_float(name, self.low, self.high, log=self.log)


class IntRange(StrictModel):
    """Whole numbers from low to high, both included, in steps."""

    type: Literal["int"]
    low: Int32
    high: Int32
    log: bool = False
    step: Annotated[Int32, Field(ge=1)] = 1
    when: When = None

    @model_validator(mode="after")
    def _validate_range(self) -> IntRange:
        _check_range(self.low, self.high, self.log)
        if self.log and self.step != 1:
            raise ValueError("log and step do not go together")
        if (self.high - self.low) % self.step:
            raise ValueError(f"step {self.step} does not lead from {self.low} to {self.high}")
        return self

    def representative_values(self) -> tuple[Value, ...]:
        return self.low, self.high

    def contains(self, value: Value) -> bool:
        return value in range(self.low, self.high + 1, self.step)

    def to_distribution(self) -> BaseDistribution:
        from optuna.distributions import IntDistribution

        return IntDistribution(self.low, self.high, log=self.log, step=self.step)

    def suggest_value(self, name: str, trial: Trial) -> Value:
        return trial.suggest_int(name, self.low, self.high, log=self.log, step=self.step)


class Choice(StrictModel):
    """One of the values."""

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


def _check_range(low: float, high: float, log: bool) -> None:
    if not (math.isfinite(low) and math.isfinite(high) and low < high):
        raise ValueError(f"low {low} is not below high {high}")
    if log and low <= 0:
        raise ValueError(f"low {low} has no logarithm")
