"""Conditional parameters: `when` in a search space."""

from collections.abc import Iterator, Mapping
from graphlib import CycleError, TopologicalSorter

from fer_tune.common.validation_errors import truncate_value
from fer_tune.study.search_space.parameters import FloatRange, Parameter, Value


def sort_parents_first(parameters: Mapping[str, Parameter]) -> list[str]:
    """Return the names, each after the parameters that its `when` names.

    Raises graphlib.CycleError if some parameters depend on each other.
    """
    parents = {name: tuple(parameter.when or ()) for name, parameter in parameters.items()}
    return list(TopologicalSorter(parents).static_order())


def is_active(parameter: Parameter, point: Mapping[str, Value]) -> bool:
    """Return whether a trial with this point also has the parameter."""
    when = (parameter.when or {}).items()
    return all(name in point and point[name] in values for name, values in when)


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
        sort_parents_first(parameters)
    except CycleError as error:
        cycle = error.args[1][::-1]
        yield f"parameters.{cycle[0]}.when: a cycle: {' depends on '.join(cycle)}"
