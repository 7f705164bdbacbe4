"""Search spaces read from YAML: search_spaces/*.yaml, or a user's own file."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import yaml
from pydantic import ValidationError

from fer_tune.common.errors import UserError
from fer_tune.common.validation_errors import format_validation_error, truncate_value
from fer_tune.study.search_space.parameters import Point
from fer_tune.study.search_space.space import SearchSpace, find_condition_errors
from fer_tune.trial_config import TrialConfig

_PACKAGE_DIR = Path(__file__).parents[2]
# In a checkout, and inside an installed wheel.
SPACE_DIRS = (_PACKAGE_DIR.parent / "search_spaces", _PACKAGE_DIR / "search_spaces")

_MAX_BYTES = 1 << 20  # reading a fer2013.csv as YAML by mistake would take an hour

# Replace pydantic's messages, which name its own types.
_MESSAGES = {
    "union_tag_not_found": "its type is missing: float, int or choice",
    "union_tag_invalid": "its type is none of float, int and choice",
}


def find_space_file(name: str) -> Path:
    """Return the file of a search space.

    name: a path, or the name of a space in search_spaces/.

    Raises UserError if no file has this name.
    """
    for path in (Path(name), *(folder / f"{name}.yaml" for folder in SPACE_DIRS)):
        with suppress(OSError):  # such as a name too long
            if path.is_file():
                return path
    known = sorted({path.stem for folder in SPACE_DIRS for path in folder.glob("*.yaml")})
    raise UserError(f"no search space {name}: give a YAML file or one of {', '.join(known)}")


def load_space(path: Path) -> SearchSpace:
    """Load and validate a search space.

    Raises UserError with one line that names the file, the key and the value.
    """
    try:
        if path.stat().st_size > _MAX_BYTES:
            raise UserError(f"{path}: too large for a search space, a few lines of YAML")
        return parse_space(path.read_text(encoding="utf-8"), str(path))
    except (OSError, UnicodeDecodeError) as error:
        raise UserError(f"{path}: cannot be read: {error}") from error


def parse_space(text: str, source: str) -> SearchSpace:
    """Parse and validate a search space in YAML.

    source: the name of the text in errors.

    Raises UserError if the text is no valid search space.
    """
    content = parse_yaml(text, source)
    if not isinstance(content, dict):
        raise UserError(f"{source}: has no `parameters:`")
    try:
        space = SearchSpace.model_validate(content)
    except ValidationError as error:
        problem = format_validation_error(error, _MESSAGES, limit=1)
        raise UserError(f"{source}: {problem}") from error
    for problem in find_space_errors(space):
        raise UserError(f"{source}: {problem}")
    return space


def parse_yaml(text: str, source: str) -> Any:
    """Return the content of a YAML text.

    source: the name of the text in errors.

    Raises UserError if the text is not YAML, or not allowed here.
    """
    try:
        return yaml.load(text, _StrictLoader)
    except RecursionError as error:
        raise UserError(f"{source}: nested too deeply") from error
    except yaml.YAMLError as error:
        raise UserError(f"{source}: not YAML: {' '.join(str(error).split())}") from error


class _StrictLoader(yaml.SafeLoader):
    """A YAML loader in which 1e-3 is a number, as in YAML 1.2.

    It refuses repeated keys, and aliases: a few nested aliases can fill all memory.
    """

    def compose_node(self, parent: yaml.Node | None, index: int) -> yaml.Node | None:
        if self.check_event(yaml.AliasEvent):
            mark = self.peek_event().start_mark  # type: ignore[no-untyped-call]
            raise _make_error("an alias (*); write what it stands for", mark)
        return super().compose_node(parent, index)

    def construct_object(self, node: yaml.Node, deep: bool = False) -> Any:
        try:
            return super().construct_object(node, deep)
        except (yaml.YAMLError, RecursionError):
            raise
        except Exception as error:  # PyYAML raises others for 2001-99-99 or !!bool maybe
            problem = f"{truncate_value(node.value)!r} is no {node.tag.rpartition(':')[2]}"
            raise _make_error(problem, node.start_mark) from error

    def construct_mapping(self, node: yaml.Node, deep: bool = False) -> dict[Any, Any]:
        if not isinstance(node, yaml.MappingNode):  # !!set of a single value
            raise _make_error("needs keys and values", node.start_mark)
        keys = [self.construct_object(key, deep=True) for key, _ in node.value]
        for index, key in enumerate(keys):
            if key in keys[:index]:
                raise _make_error(f"the key {key!r} is repeated", node.value[index][0].start_mark)
        return super().construct_mapping(node, deep)


def _make_error(problem: str, mark: Any) -> yaml.MarkedYAMLError:
    return yaml.MarkedYAMLError(problem=problem, problem_mark=mark)


_StrictLoader.add_implicit_resolver(
    "tag:yaml.org,2002:float",
    re.compile(r"[-+]?[0-9]+(\.[0-9]*)?[eE][-+]?[0-9]+$"),
    list("-+0123456789"),
)


def find_space_errors(space: SearchSpace) -> Iterator[str]:
    """Yield the errors of the space, as `key: problem`. Later ones may follow from the first."""
    points = {f"first_trials[{index}]": point for index, point in enumerate(space.first_trials)}
    keys: dict[str, Iterable[str]] = {"parameters": space.parameters, "fixed": space.fixed}
    for key, names in (keys | points).items():
        yield from _find_unknown_names(f"{key}.", names)
    for name in space.fixed:
        if name in space.parameters:
            yield f"fixed.{name}: also a parameter"
    yield from find_condition_errors(space.parameters)
    for name, parameter in space.parameters.items():
        for value in parameter.representative_values():
            yield from _find_invalid_values("parameters.", {name: value})
    yield from _find_out_of_range(space, space.complete_point({}), "parameters.{}: the default {}")
    yield from _find_invalid_values("fixed.", space.fixed)
    for key, point in points.items():
        yield from find_point_errors(space, point, key)


def find_point_errors(space: SearchSpace, point: Point, key: str) -> Iterator[str]:
    """Yield the errors of a trial's parameters, as `key.name: problem`; see `find_space_errors`."""
    for name in point:
        if name not in space.parameters:
            yield f"{key}.{name}: not a parameter of this space"
    yield from _find_out_of_range(space, point, f"{key}.{{}}: {{}}")
    complete = space.complete_point(point)
    for name in point:
        if name not in complete:
            yield f"{key}.{name}: the trial does not have it: its `when` does not hold"
    omitted = {name: value for name, value in complete.items() if name not in point}
    yield from _find_out_of_range(space, omitted, f"{key}.{{}}: is missing, and the default {{}}")


def find_value_errors(values: Point) -> Iterator[str]:
    """Yield the errors of the values of a trial's configuration, as `name: problem`."""
    yield from _find_unknown_names("", values)
    yield from _find_invalid_values("", values)


def _find_unknown_names(prefix: str, names: Iterable[str]) -> Iterator[str]:
    for name in names:
        if name not in TrialConfig.model_fields:
            close = difflib.get_close_matches(name, TrialConfig.model_fields, n=1)
            advice = f"; did you mean {close[0]}?" if close else ""
            yield f"{prefix}{name}: unknown parameter{advice}"


def _find_out_of_range(space: SearchSpace, point: Point, template: str) -> Iterator[str]:
    for name, value in point.items():
        if not space.parameters[name].contains(value):
            yield f"{template.format(name, truncate_value(value))} is outside its range"


def _find_invalid_values(prefix: str, values: Point) -> Iterator[str]:
    try:
        TrialConfig.model_validate(values, strict=True)  # otherwise depth could be 2.5
    except ValidationError as error:
        yield prefix + format_validation_error(error, limit=1)
