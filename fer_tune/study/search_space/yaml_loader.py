"""YAML as people write it, without what could run code, fill the memory or hide a mistake."""

from __future__ import annotations

import re
from typing import Any

import yaml

from fer_tune.common.errors import UserError


def parse_yaml(text: str, source: str) -> Any:
    """What the text says, in plain Python values; `source` names it in errors. Raises UserError."""
    try:
        return yaml.load(text, _StrictLoader)
    except RecursionError as error:
        raise UserError(f"{source}: nested far too deep") from error
    except yaml.YAMLError as error:
        raise UserError(f"{source}: not YAML: {' '.join(str(error).split())}") from error


def truncate_value(value: object) -> str:
    """A value as an error tells it, cut short where it is long."""
    text = str(value)
    return text if len(text) <= 100 else f"{text[:100]}..."


class _StrictLoader(yaml.SafeLoader):
    """YAML in which 1e-3 is a number, as in YAML 1.2, no key stands twice and nothing is repeated.

    A few aliases of aliases can stand for more than fits in any memory.
    """

    def compose_node(self, parent: yaml.Node | None, index: int) -> yaml.Node | None:
        if self.check_event(yaml.AliasEvent):
            mark = self.peek_event().start_mark  # type: ignore[no-untyped-call]
            raise yaml.composer.ComposerError(
                None, None, "an alias (*); write what it stands for", mark
            )
        return super().compose_node(parent, index)

    def construct_object(self, node: yaml.Node, deep: bool = False) -> Any:
        try:
            return super().construct_object(node, deep)
        except (yaml.YAMLError, RecursionError):
            raise
        except Exception as error:  # PyYAML does not look twice at 2001-99-99 or !!bool maybe
            raise yaml.constructor.ConstructorError(
                None,
                None,
                f"{truncate_value(node.value)!r} is no {node.tag.rpartition(':')[2]}",
                node.start_mark,
            ) from error

    def construct_mapping(self, node: yaml.Node, deep: bool = False) -> dict[Any, Any]:
        if not isinstance(node, yaml.MappingNode):  # !!set of a single value
            raise yaml.constructor.ConstructorError(
                None, None, "keys and values belong here", node.start_mark
            )
        keys = [self.construct_object(key, deep=True) for key, _ in node.value]
        for index, key in enumerate(keys):
            if key in keys[:index]:
                raise yaml.constructor.ConstructorError(
                    None,
                    None,
                    f"the key {key!r} stands there twice",
                    node.value[index][0].start_mark,
                )
        return super().construct_mapping(node, deep)


_StrictLoader.add_implicit_resolver(
    "tag:yaml.org,2002:float",
    re.compile(r"[-+]?[0-9]+(\.[0-9]*)?[eE][-+]?[0-9]+$"),
    list("-+0123456789"),
)
