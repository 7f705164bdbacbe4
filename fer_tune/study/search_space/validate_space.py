"""Whether the parts of a search space fit together."""

from __future__ import annotations

import difflib
from typing import TYPE_CHECKING

from pydantic import ValidationError

from fer_tune.study.search_space import conditions
from fer_tune.study.search_space.parameters import Point
from fer_tune.study.search_space.yaml_loader import shown
from fer_tune.trial_config import TrialConfig

if TYPE_CHECKING:
    from fer_tune.study.search_space.space import SearchSpace


def problems(space: SearchSpace) -> list[str]:
    """What is wrong with the space as a whole, `key: problem` each."""
    found = [
        f"{where}.{name}: unknown parameter{_suggestion(name)}"
        for where, names in _names(space)
        for name in names
        if name not in TrialConfig.model_fields
    ]
    found += [f"fixed.{name}: also a parameter" for name in space.fixed if name in space.parameters]
    found = found or list(conditions.problems(space.parameters))
    if found:
        return found
    for name, parameter in space.parameters.items():
        for value in parameter.ends():
            found += _refused("parameters", {name: value})
    found += _outside(space, space.completed({}), "parameters.{}: the default {}")
    found += _refused("fixed", space.fixed)
    for index, point in enumerate(space.first_trials):
        found += _wrong_in(space, point, f"first_trials[{index}]")
    return found


def _outside(space: SearchSpace, point: Point, told: str) -> list[str]:
    return [
        f"{told.format(name, shown(value))} is outside its range"
        for name, value in point.items()
        if not space.parameters[name].contains(value)
    ]


def _wrong_in(space: SearchSpace, point: Point, where: str) -> list[str]:
    for name in point:
        if name not in space.parameters:
            return [f"{where}.{name}: not a parameter of this space"]
    if found := _outside(space, point, f"{where}.{{}}: {{}}"):
        return found
    whole = space.completed(point)
    left_out = {name: value for name, value in whole.items() if name not in point}
    ruled_out = "there is none at this point: its `when` does not hold"
    found = [f"{where}.{name}: {ruled_out}" for name in point if name not in whole]
    return found + _outside(space, left_out, f"{where}.{{}}: is missing, and the default {{}}")


def _names(space: SearchSpace) -> list[tuple[str, list[str]]]:
    places: list[tuple[str, list[str]]] = [
        ("parameters", list(space.parameters)),
        ("fixed", list(space.fixed)),
    ]
    for index, point in enumerate(space.first_trials):
        places.append((f"first_trials[{index}]", list(point)))
    return places


def _refused(where: str, values: Point) -> list[str]:
    try:
        TrialConfig.model_validate(values, strict=True)  # else 2.5 blocks would do for depth
    except ValidationError as error:
        return [
            f"{where}.{each['loc'][0]}: {shown(each['input'])}: {each['msg']}"
            for each in error.errors()
        ]
    return []


def _suggestion(name: str) -> str:
    close = difflib.get_close_matches(name, TrialConfig.model_fields, n=1)
    return f"; did you mean {close[0]}?" if close else ""
