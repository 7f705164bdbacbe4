"""compose.yaml, started by a Docker engine: `make cluster-test`.

The tests are in the order in which a person would try things, and share one cluster.
"""

import re
import shlex
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

import pytest

from fer_tune.tracking.queries import find_study, list_trial_runs
from fer_tune.tracking.store import open_store
from tests.docker.compose_images import STAND_INS_BASE, copy_image, load_stand_in
from tests.docker.compose_project import ComposeProject, RunningStudy, create_project
from tests.docker.conftest import BuiltImage
from tests.docker.docker_with_compose import (
    DockerWithCompose,
    bring_docker,
    find_obstacle,
    find_own_docker,
)
from tests.docker.files import DOCKER, services

pytestmark = [pytest.mark.engine, pytest.mark.timeout(2400)]

SMALL = ("--space", "smoke", "--train-faces", "600")


@contextmanager
def show_step(what: str) -> Iterator[None]:
    """Print a step, and how long it took."""
    print(f"{what} ... ", end="", flush=True)
    start = time.monotonic()
    yield
    print(f"{time.monotonic() - start:.0f} s", flush=True)


@pytest.fixture(scope="module")
def docker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[DockerWithCompose]:
    """An engine: this machine's own if it is new enough, otherwise one that is brought along."""
    own = find_own_docker()
    if isinstance(own, DockerWithCompose):
        print(f"\nthe engine is {own.description}")
        yield own
        return
    if obstacle := find_obstacle():
        pytest.skip(f"{own}, and {obstacle}")
    with ExitStack() as stack:
        with show_step("\nstart an engine"):
            brought = stack.enter_context(bring_docker(tmp_path_factory.getbasetemp()))
        print(f"{own}; {brought.description}")
        yield brought


@pytest.fixture(scope="module")
def cluster(
    docker: DockerWithCompose,
    request: pytest.FixtureRequest,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[ComposeProject]:
    """All services with two workers, healthy."""
    with show_step("build our image"):
        image: BuiltImage = request.getfixturevalue("image")
    with provide_images(docker, image):
        folder = tmp_path_factory.mktemp("cluster")
        with create_project(docker, folder) as project:
            with show_step("start the services, with two workers"):
                project.start_services()
            print(project.require("ps"))
            yield project


@contextmanager
def provide_images(docker: DockerWithCompose, image: BuiltImage) -> Iterator[None]:
    """Give the engine the images of compose.yaml; in the end it has those that it had before."""
    engine, ours = docker.engine, "fer_tune:cpu"
    names = {ours, *(each["image"] for each in services().values() if "build" not in each)}
    found = engine.require("image", "ls", "--format", "{{.Repository}}:{{.Tag}} {{.ID}}")
    former = {line.split()[0]: line.split()[1] for line in found.splitlines()}
    try:
        with show_step("copy our image"):
            copy_image(image.name, image.engine, engine, ours)
        for name in sorted(names - former.keys() - {ours}):
            full_name = f"docker.io/{name}" if "/" in name else f"docker.io/library/{name}"
            if image.engine.has_or_pulls(full_name):
                copy_image(full_name, image.engine, engine, name)
                continue
            with show_step(f"no registry answers: load a stand-in for {name}"):
                load_stand_in(engine, name)
        yield
    finally:
        for name in [*names, STAND_INS_BASE] if docker.process is None else []:
            undo = ("tag", former[name], name) if name in former else ("rmi", name)
            engine.call(*undo)


@pytest.fixture(scope="module")
def demo(cluster: ComposeProject) -> RunningStudy:
    """A study that has completed."""
    with show_step("run a study of four trials"):
        study = cluster.start_study("demo", "--study", "demo", "--trials", "4", *SMALL)
        assert study.wait(400) == 0, study.output
    return study


def test_all_services_are_healthy(cluster: ComposeProject) -> None:
    expected = {"database": 1, "head": 1, "objects": 1, "tracking": 1, "worker": 2}
    assert cluster.count_healthy() == expected


def test_mlflow_has_every_trial_of_a_study(cluster: ComposeProject, demo: RunningStudy) -> None:
    assert re.search(r"^Trials: 4 ", demo.output, re.MULTILINE)
    assert f"http://localhost:{cluster.port}/" in demo.output
    assert "Traceback" not in demo.output
    with cluster.docker.join_network():
        store = open_store(f"http://127.0.0.1:{cluster.port}", create=False)
        parent = store.client.get_run(find_study(store, "demo").run_id)
        runs = list_trial_runs(store, parent.info.run_id)
    assert [run.info.status for run in (parent, *runs)] == ["FINISHED"] * 5


def test_mlflow_answers_on_loopback_and_refuses_foreign_hosts(cluster: ComposeProject) -> None:
    address = f"http://127.0.0.1:{cluster.port}"
    page = f"{address}/api/2.0/mlflow/experiments/get?experiment_id=0"
    foreign = urllib.request.Request(page, headers={"Host": "rebound.example"})
    with cluster.docker.join_network():
        with urllib.request.urlopen(f"{address}/health", timeout=20) as health:
            assert health.status == 200
        with pytest.raises(urllib.error.HTTPError, match="403"):
            urllib.request.urlopen(foreign, timeout=20)


def test_a_stopped_study_says_how_to_go_on_and_resumes(cluster: ComposeProject) -> None:
    length = ("--trials", "2", "--epochs", "20", "--grace", "20")
    with show_step("stop a study with docker stop"):
        study = cluster.start_study("stopped", "--study", "demo-stopped", *SMALL, *length)
        study.wait_for(r"epoch \d+ of 20")
        study.stop()
        assert study.wait(60) == 130, study.output
    assert "docker compose run --rm study --resume demo-stopped" in study.output
    with show_step("resume it"):
        again = cluster.start_study("resumed", "--resume", "demo-stopped")
        assert again.wait(400) == 0, again.output
    assert "Epochs: 40" in again.output


def test_a_study_outlives_a_killed_worker(cluster: ComposeProject) -> None:
    length = ("--trials", "4", "--epochs", "20", "--grace", "20")
    with show_step("kill a worker while a study runs"):
        study = cluster.start_study("bereft", "--study", "demo-bereft", *SMALL, *length)
        study.wait_for(r"epoch \d+ of 20")
        killed = cluster.require("ps", "--quiet", "worker").split()[0]
        cluster.docker.engine.require("kill", killed)
        assert study.wait(600) == 0, study.output
    assert "its worker died; it resumes after its last epoch" in study.output
    assert re.search(r"^Trials: 4 \(4 completed\)", study.output, re.MULTILINE)
    with show_step("start the worker again"):
        cluster.start_services()


def test_a_study_resumes_after_the_cluster_went_down(cluster: ComposeProject) -> None:
    length = ("--trials", "2", "--epochs", "40", "--grace", "40")
    with show_step("take the cluster down while a study runs"):
        study = cluster.start_study("halted", "--study", "demo-halted", *SMALL, *length)
        study.wait_for(r"epoch \d+ of 40")
        cluster.call("down")  # the study keeps its network
        assert study.wait(180) == 2, study.output
        cluster.require("down")
    assert "docker compose run --rm study --resume demo-halted" in study.output
    with show_step("start the cluster again"):
        cluster.start_services()
    with show_step("resume the study"):
        again = cluster.start_study("continued", "--resume", "demo-halted")
        assert again.wait(400) == 0, again.output
    assert "Epochs: 80" in again.output


@pytest.mark.usefixtures("demo")
def test_retrain_runs_as_the_document_says(cluster: ComposeProject) -> None:
    text = (DOCKER / "README.md").read_text(encoding="utf-8").replace("\\\n", " ")
    (command,) = re.findall(r"^docker compose (run .*\bretrain .*)$", text, re.MULTILINE)
    with show_step("train the best trial again"):
        retrained = cluster.require(*shlex.split(command, comments=True), seconds=400)
    assert "champion" in retrained
