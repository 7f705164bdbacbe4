"""Strict and safe loading of YAML, with errors of one line."""

from __future__ import annotations

import re
from typing import Any

import yaml

from fer_tune.common.errors import UserError
from fer_tune.common.validation_errors import truncate_value


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
