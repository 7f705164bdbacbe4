"""The image, built from docker/Dockerfile and run as docker/compose.yaml runs it."""

import ast
import secrets
from pathlib import Path

import pytest

from tests.cluster.compose import Service, services
from tests.docker.conftest import BuiltImage
from tests.docker.container_engine import Container
from tests.docker.files import REPOSITORY, required
from tests.waiting import wait_until

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1300)]

SEARCH = ["python", "-m", "fer_tune.search"]
SMALL = ["--space", "smoke", "--train-faces", "300", "--trials", "2"]
SERVICES = services({name: secrets.token_hex(32) for name in required()} | {"WORKER_CPUS": "1"})


def _set_environment(service: Service) -> list[str]:
    return [f"--env={name}={value}" for name, value in service.environment.items()]


def _wait_until_healthy(container: Container, check: list[str]) -> None:
    def is_healthy() -> bool:
        assert container.is_running(), container.output
        return container.succeeds(check)

    wait_until(is_healthy, "the service is healthy", 300)


def test_every_library_in_the_image_imports(image: BuiltImage) -> None:
    imported = "import torch, torchvision.transforms.v2, ray.tune, mlflow, optuna, boto3, psycopg"
    image.engine.run(image.name, "python", "-c", imported)


def test_without_a_command_the_image_shows_the_help_of_the_search(image: BuiltImage) -> None:
    shown = image.engine.run(image.name)
    assert shown.startswith("usage: python -m fer_tune.search")


def test_the_image_has_the_package_and_no_tests_caches_or_history(image: BuiltImage) -> None:
    def find(script: str) -> list[str]:
        return image.engine.run(image.name, "sh", "-ec", script, user=0).split()

    unwanted = (
        "-name .git",
        "-name .cache",
        "-path /src",
        "-name requirements.lock",
        "-path '*/bin/uv'",
    )
    assert not find(f"find / -xdev {' -o '.join(unwanted)} 2> /dev/null || true")
    packages = "cd /opt/fer_tune/lib/python*/site-packages"
    assert find(f"{packages}; ls -d fer_tune tests benchmarks 2> /dev/null || true") == ["fer_tune"]
    installed = find(f"{packages}/fer_tune; find . -type f -not -name '*.pyc'")
    ours = [
        path.relative_to(REPOSITORY)
        for folder in ("fer_tune", "search_spaces")
        for path in (REPOSITORY / folder).rglob("*")
        if path.is_file() and path.suffix != ".pyc"
    ]
    assert {Path("fer_tune", file) for file in installed} == {
        path if path.parts[0] == "fer_tune" else "fer_tune" / path for path in ours
    }


def test_the_image_does_not_let_its_user_change_programs(image: BuiltImage) -> None:
    find = "id -u; find /opt/fer_tune -writable -not -type l"
    assert image.engine.run(image.name, "sh", "-c", find).split() == ["10001"]


def test_a_study_runs_without_privileges_on_one_core_and_resumes_after_a_stop(
    image: BuiltImage,
) -> None:
    volume = f"tested-{secrets.token_hex(4)}"
    options = ("--network=none", f"--volume={volume}:/work/mlruns")
    length = ["--epochs", "30", "--grace", "30"]
    try:
        first = [*SEARCH, *SMALL, *length, "--study", "demo"]
        with image.engine.start(image.name, first, *options) as study:
            wait_until(lambda: " of 30, macro F1" in study.output, "an epoch", 300)
            study.stop()
            assert study.wait(30) == 130, study.output
            assert "1 trial at once" in study.output
            assert "fer_tune.search --resume demo" in study.output
        again = [*SEARCH, "--resume", "demo"]
        with image.engine.start(image.name, again, *options) as study:
            assert study.wait(400) == 0, study.output
            assert "Trials: 2 (2 completed)" in study.output
            assert "Epochs: 60" in study.output
    finally:
        image.engine.call("volume", "rm", "--force", volume)


def test_the_tracking_server_becomes_healthy(image: BuiltImage) -> None:
    service = SERVICES["tracking"]
    stores = ("--backend-store-uri=", "--artifacts-destination=")
    command = [word for word in service.command if not word.startswith(stores)]
    command += [f"{stores[0]}sqlite:////tmp/mlflow.db", f"{stores[1]}/tmp/artifacts"]
    options = ("--network=none", *_set_environment(service))
    with image.engine.start(image.name, command, *options) as server:
        _wait_until_healthy(server, service.check)


def test_ray_nodes_become_healthy(image: BuiltImage) -> None:
    head, worker = SERVICES["head"], SERVICES["worker"]
    # Both are in one network namespace, so the worker's agent needs another port.
    joins = [word.replace("=head:", "=127.0.0.1:") for word in worker.command]
    joins += ["--dashboard-agent-listen-port=52366"]
    check = [word.replace("52365", "52366") for word in worker.check]
    alone = ("--network=none", *_set_environment(head))
    with image.engine.start(image.name, head.command, *alone) as first:
        _wait_until_healthy(first, head.check)
        beside = (f"--network=container:{first.id}", *_set_environment(worker))
        with image.engine.start(image.name, joins, *beside) as second:
            _wait_until_healthy(second, check)
            nodes = "import ray; ray.init('127.0.0.1:6379'); print(ray.cluster_resources())"
            shown = image.engine.require("exec", second.id, "python", "-c", nodes)
            resources = ast.literal_eval(shown.splitlines()[-1])
            assert resources["CPU"] == 1
            assert resources["memory"] < 2 * 4 * 2**30  # the limits of both, not the machine's
