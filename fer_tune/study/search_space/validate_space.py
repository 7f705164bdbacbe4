"""Validation of a search space as a whole."""

import difflib

from pydantic import ValidationError

from fer_tune.common.validation_errors import truncate_value
from fer_tune.study.search_space import conditions
from fer_tune.study.search_space.parameters import Point
from fer_tune.study.search_space.space import SearchSpace
from fer_tune.trial_config import TrialConfig


def find_space_errors(space: SearchSpace) -> list[str]:
    """Return the errors of the space, as `key: problem`."""
    points = {f"first_trials[{index}]": point for index, point in enumerate(space.first_trials)}
    names = {"parameters": list(space.parameters), "fixed": list(space.fixed)}
    errors = [
        f"{key}.{name}: unknown parameter{_suggest_name(name)}"
        for key, known in (names | {key: list(point) for key, point in points.items()}).items()
        for name in known
        if name not in TrialConfig.model_fields
    ]
    errors += [
        f"fixed.{name}: also a parameter" for name in space.fixed if name in space.parameters
    ]
    errors = errors or list(conditions.find_condition_errors(space.parameters))
    if errors:
        return errors
    for name, parameter in space.parameters.items():
        for value in parameter.representative_values():
            errors += _find_invalid_values("parameters", {name: value})
    errors += _find_out_of_range(space, space.complete_point({}), "parameters.{}: the default {}")
    errors += _find_invalid_values("fixed", space.fixed)
    for key, point in points.items():
        errors += _find_point_errors(space, point, key)
    return errors


def _find_out_of_range(space: SearchSpace, point: Point, template: str) -> list[str]:
    return [
        f"{template.format(name, truncate_value(value))} is outside its range"
        for name, value in point.items()
        if not space.parameters[name].contains(value)
    ]


def _find_point_errors(space: SearchSpace, point: Point, key: str) -> list[str]:
    for name in point:
        if name not in space.parameters:
            return [f"{key}.{name}: not a parameter of this space"]
    if errors := _find_out_of_range(space, point, f"{key}.{{}}: {{}}"):
        return errors
    complete = space.complete_point(point)
    reason = "the trial does not have it: its `when` does not hold"
    errors = [f"{key}.{name}: {reason}" for name in point if name not in complete]
    omitted = {name: value for name, value in complete.items() if name not in point}
    return errors + _find_out_of_range(
        space, omitted, f"{key}.{{}}: is missing, and the default {{}}"
    )


def _find_invalid_values(key: str, values: Point) -> list[str]:
    try:
        TrialConfig.model_validate(values, strict=True)  # otherwise depth could be 2.5
    except ValidationError as error:
        return [
            f"{key}.{each['loc'][0]}: {truncate_value(each['input'])}: {each['msg']}"
            for each in error.errors()
        ]
    return []


def _suggest_name(name: str) -> str:
    close = difflib.get_close_matches(name, TrialConfig.model_fields, n=1)
    return f"; did you mean {close[0]}?" if close else ""
