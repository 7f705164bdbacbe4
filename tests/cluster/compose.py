"""What docker/compose.yaml says of its services, as a container engine reads it."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

FILE = Path(__file__).parents[2] / "docker/compose.yaml"

_VARIABLE = re.compile(r"\$(?:\$|\{(\w+)(?::([-?+])([^}]*))?\})")


@dataclass(frozen=True)
class Service:
    """One service of the file.

    command: with the entry point, where it has one of its own.
    check: the command that tells whether it is healthy.
    shared_memory: its size, as `mount` takes it.
    """

    command: list[str]
    check: list[str]
    environment: dict[str, str]
    shared_memory: str


def services(values: Mapping[str, str]) -> dict[str, Service]:
    """By name; `values` are those of docker/.env. Raises KeyError where one is missing there."""
    read = yaml.safe_load(FILE.read_text(encoding="utf-8"))["services"]
    return {name: _service(_filled(each, values)) for name, each in read.items()}


def _service(read: Mapping[str, Any]) -> Service:
    return Service(
        command=[*read.get("entrypoint", []), *read.get("command", [])],
        check=read.get("healthcheck", {}).get("test", [])[1:],
        environment=read["environment"],
        shared_memory=read.get("shm_size", "64mb").removesuffix("b"),
    )


def _filled(read: Any, values: Mapping[str, str]) -> Any:
    """With its variables replaced, wherever they are."""
    if isinstance(read, dict):
        return {key: _filled(value, values) for key, value in read.items()}
    if isinstance(read, list):
        return [_filled(value, values) for value in read]

    def value(match: re.Match[str]) -> str:
        name, kind, otherwise = match.groups()
        if name is None:
            return "$"
        if kind == "+":
            return otherwise if values.get(name) else ""
        return values.get(name, otherwise) if kind == "-" else values[name]

    return _VARIABLE.sub(value, read) if isinstance(read, str) else read
