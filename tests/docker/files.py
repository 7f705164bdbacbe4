"""The files in docker/, as Docker and Kubernetes read them."""

import re
import shlex
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import yaml
from packaging.requirements import Requirement

REPOSITORY = Path(__file__).parents[2]
DOCKER = REPOSITORY / "docker"

# What decides, in the image, which of two locked versions is installed.
_IN_THE_IMAGE = {
    "python_full_version": "3.11.14",
    "python_version": "3.11",
    "sys_platform": "linux",
}

_VARIABLE = re.compile(r"\$\$|\$\{(?P<name>\w+)(?::(?P<sign>[-?])(?P<rest>[^}]*))?\}")


def services(environment: Mapping[str, str] | None = None) -> dict[str, Any]:
    """The services of compose.yaml.

    environment: what stands for its variables; None leaves them as they are written.
    """
    text = (DOCKER / "compose.yaml").read_text()
    if environment is not None:
        text = _VARIABLE.sub(lambda match: _value(match, environment), text)
    return dict(yaml.safe_load(text)["services"])


def command(service: str, environment: Mapping[str, str]) -> list[str]:
    """What the container of a service runs."""
    settled = services(environment)[service]
    return [str(word) for word in [*settled.get("entrypoint", ()), *settled["command"]]]


def called(service: str, environment: Mapping[str, str]) -> Iterator[list[str]]:
    """The programs that a service's command calls, without the shell around them."""
    words = command(service, environment)
    if words[0] != "bash":
        yield words
        return
    script, arguments = words[2], words[4:]
    for line in script.replace("\\\n", " ").splitlines():
        call = shlex.split(line.removeprefix("exec "))
        yield [word for part in call for word in (arguments if part == "$@" else [part])]


def required() -> set[str]:
    """The variables without which Compose does not start."""
    text = (DOCKER / "compose.yaml").read_text()
    return {match["name"] for match in _VARIABLE.finditer(text) if match["sign"] == "?"}


def manifest() -> dict[str, Any]:
    """The RayJob."""
    return dict(yaml.safe_load((DOCKER / "rayjob.yaml").read_text()))


def pods() -> dict[str, dict[str, Any]]:
    """The pod specifications in the RayJob."""
    job = manifest()["spec"]
    cluster = job["rayClusterSpec"]
    groups = {group["groupName"]: group for group in cluster["workerGroupSpecs"]}
    templates = {
        "submitter": job["submitterPodTemplate"],
        "head": cluster["headGroupSpec"]["template"],
        **{name: group["template"] for name, group in groups.items()},
    }
    return {name: template["spec"] for name, template in templates.items()}


def dockerfile() -> str:
    """The Dockerfile, with continued lines joined."""
    return (DOCKER / "Dockerfile").read_text().replace("\\\n", " ")


def locked(lock: Path) -> dict[str, str]:
    """The versions in a lock that the image has, or would have."""
    found = re.findall(r"^[a-z0-9].*(?= \\$)", lock.read_text(), re.MULTILINE)
    requirements = [Requirement(line) for line in found]
    return {
        each.name: next(iter(each.specifier)).version
        for each in requirements
        if each.marker is None or each.marker.evaluate(_IN_THE_IMAGE)
    }


def _value(match: re.Match[str], environment: Mapping[str, str]) -> str:
    if match["name"] is None:
        return "$"
    if match["sign"] == "?":
        return environment[match["name"]]
    return environment.get(match["name"], match["rest"])
