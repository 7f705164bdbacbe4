import re
import shlex
import subprocess
from importlib import import_module
from pathlib import Path
from shutil import copytree

import pytest
import yaml

from fer_tune.common.cli import format_command_line
from fer_tune.common.errors import UserError
from fer_tune.data.demo.demo_splits import DEMO_SOURCE
from fer_tune.data.load import load_splits
from tests.cluster.compose import services as filled_services
from tests.docker.files import DOCKER, REPOSITORY, called, dockerfile, required, services

FILLED = filled_services(dict.fromkeys(required(), "s3cret"))
LASTING = [name for name, each in services().items() if each.get("restart") == "unless-stopped"]


def test_only_the_tracking_server_is_published_and_on_loopback_alone() -> None:
    published = {name: each["ports"] for name, each in services().items() if "ports" in each}
    assert published == {"tracking": ["127.0.0.1:${MLFLOW_PORT:-5000}:5000"]}


def test_the_other_services_have_no_way_out() -> None:
    networks = yaml.safe_load((DOCKER / "compose.yaml").read_text())["networks"]
    assert networks["inside"] == {"internal": True}
    for name, service in services().items():
        expected = ["inside", "outside"] if name == "tracking" else ["inside"]
        assert service["networks"] == expected
        assert "network_mode" not in service


def test_all_but_the_study_last_and_have_a_health_check() -> None:
    assert set(services()) - set(LASTING) == {"study"}
    for name in LASTING:
        assert services()[name]["healthcheck"]["test"][0] == "CMD", name


def test_a_service_begins_when_those_that_it_needs_are_healthy() -> None:
    for service in services().values():
        for needed, how in service.get("depends_on", {}).items():
            assert how == {"condition": "service_healthy"}
            assert "healthcheck" in services()[needed]


def test_no_secret_stands_in_a_file() -> None:
    secret = re.compile("PASSWORD|SECRET|TOKEN")
    values = {
        value
        for service in services().values()
        for name, value in service.get("environment", {}).items()
        if secret.search(name)
    }
    assert values == {f"${{{name}:?run make cluster-secrets first}}" for name in required()}
    assert not secret.search(dockerfile())


def test_the_secrets_are_made_once_for_their_owner_and_ignored_by_git(tmp_path: Path) -> None:
    (tmp_path / "docker").mkdir()
    make = ["make", "-f", str(REPOSITORY / "Makefile"), "-C", str(tmp_path), "cluster-secrets"]
    made = tmp_path / "docker" / ".env"
    subprocess.run(make, check=True, capture_output=True)
    first = made.read_text()
    subprocess.run(make, check=True, capture_output=True)
    assert made.read_text() == first
    assert made.stat().st_mode & 0o777 == 0o600
    values = dict(line.split("=") for line in first.splitlines())
    assert values.keys() == required()
    assert len(set(values.values())) == len(values)
    assert all(re.fullmatch("[0-9a-f]{64}", value) for value in values.values())
    ignored = ["git", "-C", str(REPOSITORY), "check-ignore", "--quiet", "docker/.env"]
    assert subprocess.run(ignored).returncode == 0


def test_the_secrets_are_added_to_what_a_person_has_set(tmp_path: Path) -> None:
    (tmp_path / "docker").mkdir()
    there = tmp_path / "docker" / ".env"
    there.write_text("FACES=/a/folder\n")
    make = ["make", "-f", str(REPOSITORY / "Makefile"), "-C", str(tmp_path), "cluster-secrets"]
    broken = subprocess.run([*make, "PYTHON=false"], capture_output=True)
    assert broken.returncode != 0
    assert there.read_text() == "FACES=/a/folder\n"
    subprocess.run(make, check=True, capture_output=True)
    lines = there.read_text().splitlines()
    assert lines[0] == "FACES=/a/folder"
    assert {line.split("=")[0] for line in lines[1:]} == required()


def test_ray_asks_every_node_for_the_token() -> None:
    for name in ("head", "worker", "study"):
        environment = FILLED[name].environment
        assert environment["RAY_AUTH_MODE"] == "token"
        assert environment["RAY_AUTH_TOKEN"] == "s3cret"


@pytest.mark.parametrize("service", ["head", "worker", "study", "tracking"])
def test_our_containers_hold_no_privileges(service: str) -> None:
    settled = services()[service]
    assert settled["cap_drop"] == ["ALL"]
    assert settled["security_opt"] == ["no-new-privileges:true"]


def _call_study(*arguments: str) -> list[list[str]]:
    """What the study's container calls, if it is run with these arguments."""
    study = FILLED["study"]
    entry = study.command[: study.command.index("study") + 1]
    return called([*entry, *arguments], study.environment)


def test_ray_reads_the_commands_of_its_nodes() -> None:
    from ray.scripts.scripts import start

    (head,), (worker,) = (called(FILLED[name].command) for name in ("head", "worker"))
    study, _ = _call_study("--trials=2")
    for program, verb, *options in (head, worker, study):
        assert (program, verb) == ("ray", "start")
        start.make_context("start", options)


@pytest.mark.parametrize("name", ["head", "worker"])
def test_the_health_check_of_a_node_asks_rays_agent_without_importing_ray(name: str) -> None:
    import ray
    from ray._private.ray_constants import DEFAULT_DASHBOARD_AGENT_LISTEN_PORT as PORT

    python, flag, script = FILLED[name].check
    assert (python, flag) == ("python", "-c")
    compile(script, name, "exec")
    assert "ray" not in script
    assert f'"http://127.0.0.1:{PORT}/api/healthz"' in script
    agent = Path(ray.__file__).parent / "dashboard/modules/reporter/healthz_agent.py"
    assert '"/api/healthz"' in agent.read_text()


@pytest.mark.parametrize("name", ["head", "worker"])
def test_a_node_is_killed_only_after_ray_has_stopped_it(name: str) -> None:
    from ray._private.ray_constants import RAY_GRACEFUL_SHUTDOWN_DRAIN_TIMEOUT_S

    grace = services()[name]["stop_grace_period"]
    assert int(grace.removesuffix("s")) > RAY_GRACEFUL_SHUTDOWN_DRAIN_TIMEOUT_S


def test_mlflow_reads_the_command_of_the_tracking_server_and_checks_hosts() -> None:
    from mlflow.cli import server
    from mlflow.server.security_utils import is_allowed_host_header

    (call,) = called(FILLED["tracking"].command)
    assert call[:2] == ["mlflow", "server"]
    allowed = server.make_context("server", call[2:]).params["allowed_hosts"].split(",")
    for host in ("tracking:5000", "localhost:5000", "127.0.0.1:8080"):
        assert is_allowed_host_header(allowed, host)
    for host in ("evil.example:5000", "10.0.0.1:5000", "localhost.evil.example:5000"):
        assert not is_allowed_host_header(allowed, host)


def test_the_search_reads_the_command_of_the_study_and_of_its_resumption(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    from fer_tune.search.options import build_parser

    monkeypatch.setenv("RAY_ADDRESS", FILLED["study"].environment["RAY_ADDRESS"])
    _, call = _call_study(*services()["study"]["command"])
    assert call[:3] == ["python", "-m", "fer_tune.search"]
    options = build_parser().parse_args(call[3:])
    assert (options.address, options.study, options.trials) == ("head:6379", "first", 12)
    assert (options.tracking_uri, options.storage) == ("http://tracking:5000", "s3://studies")
    _, call = _call_study("--resume", "first")
    assert build_parser().parse_args(call[3:]).resume == "first"


def test_an_ablation_runs_on_the_cluster_too() -> None:
    start, call = _call_study("ablate", "--study", "first")
    assert start[:2] == ["ray", "start"]
    assert call[:3] == ["python", "-m", "fer_tune.ablate"]


@pytest.mark.parametrize(
    ("command", "arguments", "storage"),
    [
        ("retrain", ["--study", "first"], "s3://studies"),
        ("report", ["--study", "first"], "s3://studies"),
        ("train", ["--set", "depth=4"], "s3://studies"),
        ("predict", ["data/1.jpg", "--model", "models:/fer_tune/1"], None),
        ("evaluate", ["--data", "data"], None),
        ("suspects", ["data"], None),
    ],
)
def test_another_command_finds_the_study_and_does_not_start_ray(
    command: str, arguments: list[str], storage: str | None
) -> None:
    (call,) = _call_study(command, *arguments)
    assert call[:3] == ["python", "-m", f"fer_tune.{command}"]
    options = import_module(f"fer_tune.{command}.__main__").build_parser().parse_args(call[3:])
    assert options.tracking_uri == "http://tracking:5000"
    assert getattr(options, "storage", None) == storage


@pytest.mark.parametrize(
    ("module", "arguments"),
    [
        ("fer_tune.search", ["--resume", "a b"]),
        ("fer_tune.retrain", ["--study", "first"]),
        ("fer_tune.report", ["--study", "first"]),
        ("fer_tune.predict", ["FILE", "--model", "models:/fer_tune/1"]),
    ],
)
def test_what_a_container_prints_runs_the_same_command_when_typed_outside(
    module: str, arguments: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    environment = FILLED["study"].environment
    monkeypatch.setenv("FER_TUNE_COMMAND", environment["FER_TUNE_COMMAND"])
    monkeypatch.setenv("FER_TUNE_OPTIONS", environment["FER_TUNE_OPTIONS"])
    stores = ["--tracking-uri", "http://tracking:5000", "--storage", "s3://studies"]
    typed = format_command_line(module, [*arguments, *stores])
    words = shlex.split(typed)
    assert words[:5] == ["docker", "compose", "run", "--rm", "study"]
    assert "--storage" not in words
    *_, call = _call_study(*words[5:])
    assert call[:3] == ["python", "-m", module]
    assert call[-len(arguments) :] == arguments


@pytest.mark.parametrize(("torch", "workers"), [("cpu", 2), ("cuda", 1)])
def test_torch_alone_decides_about_the_gpus_of_the_workers(torch: str, workers: int) -> None:
    base = services()["worker"]["extends"]
    assert base == {"file": "compose.${TORCH:-cpu}.yaml", "service": "worker"}
    file = DOCKER / base["file"].replace("${TORCH:-cpu}", torch)
    (worker,) = yaml.safe_load(file.read_text())["services"].values()
    assert worker["scale"] == workers
    assert ("deploy" in worker) == (torch == "cuda")


def test_a_folder_of_faces_that_does_not_exist_is_an_error_and_is_not_made() -> None:
    faces = services()["study"]["volumes"][0]
    assert faces["source"] == "${FACES:-./faces}"
    assert faces["bind"] == {"create_host_path": False}
    assert faces["read_only"]


def test_without_faces_the_study_takes_the_demo_faces_and_makes_no_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    kept = ["git", "-C", str(REPOSITORY), "ls-files", "docker/faces"]
    assert subprocess.check_output(kept, text=True).split() == ["docker/faces/.gitignore"]
    copytree(DOCKER / "faces", tmp_path / "data", ignore=lambda *_: [])
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("FER_TUNE_DATA", FILLED["study"].environment["FER_TUNE_DATA"])
    splits = load_splits(None)
    assert splits.source == DEMO_SOURCE
    assert not splits.notes


def test_a_folder_that_is_named_and_has_no_faces_is_an_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    named = filled_services(dict.fromkeys(required(), "s3cret") | {"FACES": "/a/folder"})["study"]
    assert named.environment["FER_TUNE_DATA"] == services()["study"]["volumes"][0]["target"]
    monkeypatch.setenv("FER_TUNE_DATA", str(tmp_path))
    with pytest.raises(UserError):
        load_splits(None)


@pytest.mark.parametrize("name", ["tracking", "head", "worker", "study"])
def test_our_services_have_a_limit_of_memory_above_their_shared_memory(name: str) -> None:
    service = services()[name]
    limit = re.search(r"(\d+)g", service["mem_limit"])
    assert limit
    assert int(limit[1]) * 1024 >= int(service.get("shm_size", "0mb").removesuffix("mb")) + 1024
