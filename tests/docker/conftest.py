import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import pytest

from tests.docker.container_engine import ContainerEngine, find_docker, find_podman
from tests.docker.files import REPOSITORY
from tests.docker.stand_ins import (
    find_base_images,
    find_stand_ins_folder,
    find_torch,
    make_base_images,
)
from tests.machine import bring, lacks

IMAGE = "fer_tune:tested"


@dataclass(frozen=True)
class BuiltImage:
    """An image that was built from docker/Dockerfile."""

    engine: ContainerEngine
    name: str


@pytest.fixture(scope="session")
def announce(request: pytest.FixtureRequest) -> Callable[[str], None]:
    """Return a function that prints a line although pytest hides what tests print.

    Of several test processes, only stderr is shown.
    """
    capture = request.config.pluginmanager.getplugin("capturemanager")

    def announce(line: str) -> None:
        with capture.global_and_fixture_disabled():
            print(f"\n{line}", file=sys.stderr, flush=True)

    return announce


@pytest.fixture(scope="session")
def image(announce: Callable[[str], None]) -> Iterator[BuiltImage]:
    """Build docker/Dockerfile for CPUs, on the real base images or on stand-ins for them."""
    engine = _find_engine(announce)
    folder = find_stand_ins_folder()
    former = engine.find_id(IMAGE)
    try:
        with find_torch(folder) as arguments:
            if arguments:
                announce(f"PyTorch's CPU build is not available here; instead: {arguments}")
            _build(engine, {"TORCH": "cpu", **arguments})
    except subprocess.CalledProcessError as error:
        lacks(f"no CPU build of PyTorch here: {error}")
    yield BuiltImage(engine, IMAGE)
    if former and former != engine.find_id(IMAGE):  # it has no name now, but takes gigabytes
        engine.call("rmi", "--force", former, seconds=600)


def _find_engine(announce: Callable[[str], None]) -> ContainerEngine:
    """Return an engine that has the base images, or stand-ins for them."""
    needed = find_base_images()
    docker = find_docker()
    if docker and all(docker.has_or_pulls(name) for name in needed):
        return docker
    missing = [name for name in ("podman", "mmdebstrap") if not shutil.which(name)]
    if missing and (reason := bring("podman", "runc", "catatonit", "mmdebstrap")):
        lacks(reason)
    folder = find_stand_ins_folder()
    podman = find_podman(folder)
    if not all(podman.has_or_pulls(name) for name in needed):
        announce(f"no registry answers; stand-ins are made for {' and '.join(needed)}")
        try:
            make_base_images(podman, folder)
        except subprocess.CalledProcessError as error:
            lacks(f"no base images here, and none can be made: {error}: {error.stderr}")
    return podman


def _build(engine: ContainerEngine, arguments: dict[str, str]) -> None:
    """Build the image. Raises AssertionError with the builder's output if that fails."""
    options = [f"--build-arg={name}={value}" for name, value in arguments.items()]
    file = str(REPOSITORY / "docker" / "Dockerfile")
    engine.require(
        *("build", "--network=host", *options, "--file", file, "--tag", IMAGE, str(REPOSITORY)),
        seconds=1100,
    )
