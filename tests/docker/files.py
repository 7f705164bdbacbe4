"""The files in docker/, as Docker and Kubernetes read them."""

import os
import re
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
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


def services() -> dict[str, Any]:
    """The services of compose.yaml, as they are written there."""
    return dict(yaml.safe_load((DOCKER / "compose.yaml").read_text())["services"])


def required() -> set[str]:
    """The variables without which Compose does not start."""
    return set(re.findall(r"\$\{(\w+):\?", (DOCKER / "compose.yaml").read_text()))


def called(command: Sequence[str], environment: Mapping[str, str] | None = None) -> list[list[str]]:
    """The programs that a service's command calls, without the shell around them."""
    if command[0] != "bash":
        return [list(command)]
    with TemporaryDirectory() as folder:
        for name in ("ray", "python"):  # they print how they are called
            program = Path(folder, name)
            program.write_text(f'#!/bin/sh\nprintf "%s\\037" {name} "$@"; echo\n')
            program.chmod(0o755)
        search_path = f"{folder}:{os.environ['PATH']}"
        shown = subprocess.run(
            command,
            env={**(environment or {}), "PATH": search_path},
            check=True,
            capture_output=True,
            text=True,
        ).stdout
    return [line.rstrip("\037").split("\037") for line in shown.splitlines()]


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
