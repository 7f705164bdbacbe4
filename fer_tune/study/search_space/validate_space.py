"""Whether the parts of a search space fit together."""

import difflib

from pydantic import ValidationError

from fer_tune.study.search_space import conditions
from fer_tune.study.search_space.parameters import Point
from fer_tune.study.search_space.space import SearchSpace
from fer_tune.study.search_space.yaml_loader import truncate_value
from fer_tune.trial_config import TrialConfig


def find_space_errors(space: SearchSpace) -> list[str]:
    """What is wrong with the space as a whole, `key: problem` each."""
    found = [
        f"{where}.{name}: unknown parameter{_suggest_name(name)}"
        for where, names in _list_names(space)
        for name in names
        if name not in TrialConfig.model_fields
    ]
    found += [f"fixed.{name}: also a parameter" for name in space.fixed if name in space.parameters]
    found = found or list(conditions.find_condition_errors(space.parameters))
    if found:
        return found
    for name, parameter in space.parameters.items():
        for value in parameter.representative_values():
            found += _find_invalid_values("parameters", {name: value})
    found += _find_out_of_range(space, space.complete_point({}), "parameters.{}: the default {}")
    found += _find_invalid_values("fixed", space.fixed)
    for index, point in enumerate(space.first_trials):
        found += _find_point_errors(space, point, f"first_trials[{index}]")
    return found


def _find_out_of_range(space: SearchSpace, point: Point, template: str) -> list[str]:
    return [
        f"{template.format(name, truncate_value(value))} is outside its range"
        for name, value in point.items()
        if not space.parameters[name].contains(value)
    ]


def _find_point_errors(space: SearchSpace, point: Point, location: str) -> list[str]:
    for name in point:
        if name not in space.parameters:
            return [f"{location}.{name}: not a parameter of this space"]
    if found := _find_out_of_range(space, point, f"{location}.{{}}: {{}}"):
        return found
    whole = space.complete_point(point)
    left_out = {name: value for name, value in whole.items() if name not in point}
    ruled_out = "there is none at this point: its `when` does not hold"
    found = [f"{location}.{name}: {ruled_out}" for name in point if name not in whole]
    return found + _find_out_of_range(
        space, left_out, f"{location}.{{}}: is missing, and the default {{}}"
    )


def _list_names(space: SearchSpace) -> list[tuple[str, list[str]]]:
    places: list[tuple[str, list[str]]] = [
        ("parameters", list(space.parameters)),
        ("fixed", list(space.fixed)),
    ]
    for index, point in enumerate(space.first_trials):
        places.append((f"first_trials[{index}]", list(point)))
    return places


def _find_invalid_values(location: str, values: Point) -> list[str]:
    try:
        TrialConfig.model_validate(values, strict=True)  # else 2.5 blocks would do for depth
    except ValidationError as error:
        return [
            f"{location}.{each['loc'][0]}: {truncate_value(each['input'])}: {each['msg']}"
            for each in error.errors()
        ]
    return []


def _suggest_name(name: str) -> str:
    close = difflib.get_close_matches(name, TrialConfig.model_fields, n=1)
    return f"; did you mean {close[0]}?" if close else ""
