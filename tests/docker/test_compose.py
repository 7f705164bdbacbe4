import re
import subprocess
from pathlib import Path

import pytest
import yaml

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


def test_ray_reads_the_commands_of_its_nodes() -> None:
    from ray.scripts.scripts import healthcheck, start

    calls = [
        call
        for name in ("head", "worker", "study")
        for call in called(FILLED[name].command)
        if call[0] == "ray"
    ]
    assert len(calls) == 3
    for program, verb, *options in calls:
        assert (program, verb) == ("ray", "start")
        start.make_context("start", options)
    for name in ("head", "worker"):
        program, verb, *options = FILLED[name].check
        assert (program, verb) == ("ray", "health-check")
        healthcheck.make_context("health-check", options)


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


def test_the_search_reads_the_command_of_the_study_and_of_its_resumption() -> None:
    from fer_tune.search.options import parse_options

    *_, call = called(FILLED["study"].command)
    assert call[:3] == ["python", "-m", "fer_tune.search"]
    options = parse_options(call[3:])
    assert (options.address, options.study, options.trials) == ("head:6379", "first", 12)
    assert options.tracking_uri == "http://tracking:5000"
    own = [word for word in call[3:] if word not in services()["study"]["command"]]
    assert parse_options([*own, "--resume", "first"]).resume == "first"
