"""Parameters that a trial has only where others have certain values."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from graphlib import CycleError, TopologicalSorter

from fer_tune.study.search_space.parameters import FloatRange, Parameter, Value
from fer_tune.study.search_space.yaml_loader import truncate_value


def sort_parents_first(parameters: Mapping[str, Parameter]) -> list[str]:
    """The names, each after those that its `when` asks about.

    Raises graphlib.CycleError where some ask about each other.
    """
    asked = {name: tuple(each.when or ()) for name, each in parameters.items()}
    return list(TopologicalSorter(asked).static_order())


def is_active(parameter: Parameter, point: Mapping[str, Value]) -> bool:
    """Whether a trial that has these parameters, with these values, has this one too."""
    asked = (parameter.when or {}).items()
    return all(name in point and point[name] in values for name, values in asked)


def find_condition_errors(parameters: Mapping[str, Parameter]) -> Iterator[str]:
    """What is wrong with the conditions, `key: problem` each."""
    for name, parameter in parameters.items():
        for parent, values in (parameter.when or {}).items():
            where = f"parameters.{name}.when.{parent}"
            other = parameters.get(parent)
            if other is None:
                yield f"{where}: not a parameter of this space"
            elif isinstance(other, FloatRange):
                yield f"{where}: a float; conditions are on choices and whole numbers"
            else:
                for value in values:
                    if not other.contains(value):
                        yield f"{where}: {truncate_value(value)} is outside its range"
    try:
        sort_parents_first(parameters)
    except CycleError as error:
        circle = error.args[1][::-1]
        yield f"parameters.{circle[0]}.when: a circle: {' asks about '.join(circle)}"
