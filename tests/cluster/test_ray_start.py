"""A cluster that `ray start` begins on this machine, as its owner would."""

import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from tests.machine import free_port
from tests.waiting import wait_until

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]

TOKEN = "ab" * 32
SEARCH = ["--space", "smoke", "--train-faces", "70", "--trials", "1", "--epochs", "1"]


def _make_environment(folder: Path, token: str | None) -> dict[str, str]:
    """Return the environment of a user with a home folder of their own."""
    foreign = ("RAY_", "MLFLOW_", "FER_TUNE_")
    own = {name: value for name, value in os.environ.items() if not name.startswith(foreign)}
    if token:
        (folder / ".ray").mkdir(parents=True)
        (folder / ".ray" / "auth_token").write_text(token)
    folder.mkdir(exist_ok=True)
    return {**own, "HOME": str(folder), "PYTHONPATH": str(Path(__file__).parents[2])}


@contextmanager
def _start_head(environment: dict[str, str], temp_dir: Path) -> Iterator[str]:
    """Start a cluster; yield its address."""
    port = free_port()
    options = ["--port", str(port), "--num-cpus", "1", "--include-dashboard", "false", "--block"]
    head = subprocess.Popen(
        [sys.executable, "-m", "ray.scripts.scripts", "start", "--head", *options],
        env={**environment, "RAY_TMPDIR": str(temp_dir)},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )

    def has_started() -> bool:
        assert head.poll() is None, "the head ended"
        with socket.socket() as client:
            is_listening = client.connect_ex(("127.0.0.1", port)) == 0
        return is_listening and any(temp_dir.glob("ray/session_2*/sockets/raylet*"))

    try:
        wait_until(has_started, "the head has started")
        yield f"127.0.0.1:{port}"
    finally:
        os.killpg(head.pid, signal.SIGTERM)
        try:
            head.wait(60)
        except subprocess.TimeoutExpired:
            os.killpg(head.pid, signal.SIGKILL)


def _search(environment: dict[str, str], cwd: Path, **variables: str) -> tuple[int, str]:
    done = subprocess.run(
        [sys.executable, "-m", "fer_tune.search", *SEARCH],
        env={**environment, **variables},
        cwd=cwd,
        capture_output=True,
        text=True,
    )
    return done.returncode, done.stderr.strip()


@pytest.mark.parametrize("cluster_token", [TOKEN, None])
def test_a_cluster_of_ray_start_is_used_with_the_token_in_the_home_folder(
    cluster_token: str | None, tmp_path: Path
) -> None:
    user = _make_environment(tmp_path / "user", TOKEN)
    stranger = _make_environment(tmp_path / "stranger", None)
    owner = _make_environment(tmp_path / "owner", cluster_token)
    # Not below tmp_path, which is too long for Ray's sockets.
    with (
        TemporaryDirectory(prefix="ray-", ignore_cleanup_errors=True) as temp_dir,
        _start_head(owner, Path(temp_dir)) as address,
    ):
        code, errors = _search(user, tmp_path, RAY_ADDRESS=address)
        assert code == 0, errors
        code, errors = _search(user, tmp_path, RAY_ADDRESS="auto", RAY_TMPDIR=temp_dir)
        assert code == 0, errors
        code, errors = _search(stranger, tmp_path, RAY_ADDRESS=address)
        assert code == (2 if cluster_token else 0), errors
        if cluster_token:
            assert "put the cluster's token into RAY_AUTH_TOKEN or ~/.ray/auth_token" in errors


AFTER_LOCAL = """
import sys
from fer_tune.study.tune.ray_session import open_ray_session
for address in (None, sys.argv[1], None):
    with open_ray_session(address) as machines:
        print(len(machines))
"""


def test_one_process_may_use_ray_on_this_machine_and_then_a_cluster(tmp_path: Path) -> None:
    user = _make_environment(tmp_path / "user", TOKEN)
    with (
        TemporaryDirectory(prefix="ray-", ignore_cleanup_errors=True) as temp_dir,
        _start_head(user, Path(temp_dir)) as address,
    ):
        command = [sys.executable, "-c", AFTER_LOCAL, address]
        done = subprocess.run(command, capture_output=True, text=True, env=user)
    assert done.stdout == "1\n1\n1\n", done.stderr


def test_a_study_says_how_to_resume_it_if_the_cluster_goes_away(tmp_path: Path) -> None:
    user = _make_environment(tmp_path / "user", TOKEN)
    limit = {"RAY_gcs_rpc_server_reconnect_timeout_s": "40"}
    length = ["--trials", "2", "--epochs", "500", "--scheduler", "none"]
    log = tmp_path / "mlruns/studies/demo-lost/journal.jsonl"
    with TemporaryDirectory(prefix="ray-", ignore_cleanup_errors=True) as temp_dir:
        with _start_head(user, Path(temp_dir)) as address:
            study = subprocess.Popen(
                [sys.executable, "-m", "fer_tune.search", *SEARCH, *length, "--study", "demo-lost"],
                env={**user, **limit, "RAY_ADDRESS": address},
                cwd=tmp_path,
                stderr=subprocess.PIPE,
                text=True,
            )
            try:
                wait_until(lambda: log.exists() and '"epoch"' in log.read_text(), "an epoch")
            except AssertionError:
                study.kill()
                raise
        errors = study.communicate(timeout=300)[1]  # the head is gone
    assert study.returncode == 2, errors
    *_, line = errors.splitlines()
    assert line.startswith(f"error: the Ray cluster at {address} has not answered for 20 s; ")
    assert line.endswith(" -m fer_tune.search --resume demo-lost")
    assert "Traceback" not in errors
    events = [json.loads(line) for line in log.read_text().splitlines()]
    assert {event.get("ending") for event in events} <= {None, "interrupted"}
