import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from unittest.mock import Mock, patch

import pytest

from fer_tune.common.errors import UserError
from fer_tune.study.tune.ray_session import open_ray_session, set_ray_environment, start_local_ray


@pytest.mark.parametrize("address", ["127.0.0.1:{port}", "no.such.host:{port}"])
def test_an_address_without_a_cluster_is_refused_at_once(address: str) -> None:
    with socket.socket() as taken:
        # Bound but not listening, so that no other process takes the port.
        taken.bind(("127.0.0.1", 0))
        where = address.format(port=taken.getsockname()[1])
        with pytest.raises(UserError, match="no Ray cluster answers"), open_ray_session(where):
            pass


def test_variables_of_ray_tune_do_not_change_a_study() -> None:
    # Ray Tune raises for the first two.
    old = {
        "TUNE_RESULT_DIR": "a",
        "RAY_AIR_LOCAL_CACHE_DIR": "b",
        "TUNE_DISABLE_SIGINT_HANDLER": "1",
    }
    with patch.dict(os.environ, old | {"TUNE_GLOBAL_CHECKPOINT_S": "1"}):
        set_ray_environment()
        assert not old.keys() & os.environ.keys()
        assert os.environ["TUNE_GLOBAL_CHECKPOINT_S"] == "inf"


# In its own process, as Ray reads its address at import.
LISTENS = """
import socket
from fer_tune.study.tune.ray_session import open_ray_session
with open_ray_session(None):
    import ray
    (node,) = ray.nodes()
    ports = [node["NodeManagerPort"], node["ObjectManagerPort"]]
    ports.append(int(ray.get_runtime_context().gcs_address.rpartition(":")[2]))
    for host in ["127.0.0.1", "127.0.0.2"]:
        print(host, *[not socket.socket().connect_ex((host, port)) for port in ports])
"""


def test_a_local_ray_listens_on_loopback_only() -> None:
    # A server that listens on all addresses also listens on 127.0.0.2.
    done = subprocess.run([sys.executable, "-c", LISTENS], capture_output=True, text=True)
    shown = done.stdout.splitlines()
    assert shown == ["127.0.0.1 True True True", "127.0.0.2 False False False"], done.stderr


AFTER_ANOTHER = """
import ray
from fer_tune.study.tune.ray_session import open_ray_session
ray.init("local", include_dashboard=False, log_to_driver=False)
ray.shutdown()
with open_ray_session(None):
    print(len(ray.nodes()))
"""


def test_ray_starts_again_where_another_had_a_token_of_its_own(tmp_path: Path) -> None:
    home = {**os.environ, "HOME": str(tmp_path)}  # Ray writes its token there
    command = [sys.executable, "-c", AFTER_ANOTHER]
    done = subprocess.run(command, capture_output=True, text=True, env=home)
    assert done.stdout == "1\n", done.stderr


TIMED_OUT = Exception("The current node timed out during startup. This could happen because of it.")


@pytest.fixture(autouse=True)
def _own_environment(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    with patch.dict(os.environ):
        for name in ("RAY_TMPDIR", "TMPDIR", "RAY_AUTH_TOKEN"):
            monkeypatch.delenv(name, raising=False)
        yield


def start(*ends: Exception | None) -> Mock:
    """Start Ray, whose attempts end as given; return the fake of `ray.init`."""
    with patch("ray.init", side_effect=ends) as init, patch("ray.shutdown"):
        start_local_ray({})
    return init


def test_a_start_that_timed_out_is_tried_once_more() -> None:
    assert start(TIMED_OUT, None).call_count == 2


def test_a_second_failure_is_one_line_that_names_the_logs() -> None:
    with pytest.raises(UserError, match=r"timed out during startup; .*busy.* logs are in") as error:
        start(TIMED_OUT, TIMED_OUT)
    assert "\n" not in str(error.value)
    assert "This could" not in str(error.value)


def test_another_error_is_not_tried_again() -> None:
    with pytest.raises(UserError, match=r"machine: Failed to start GCS; "):
        start(RuntimeError("Failed to start GCS.\nLast 10 lines"))


def test_a_path_that_is_too_long_for_sockets_names_the_variable() -> None:
    error = OSError("validate_socket_filename failed: AF_UNIX path length cannot exceed 107 bytes")
    with pytest.raises(UserError, match=r"too long .* set RAY_TMPDIR to a shorter one"):
        start(error)


@pytest.mark.parametrize("name", ["RAY_TMPDIR", "TMPDIR"])
def test_a_temporary_folder_that_cannot_be_written_names_the_variable(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "ray").write_text("a file")
    monkeypatch.setenv(name, str(tmp_path))
    with pytest.raises(UserError, match="ray: File exists; set RAY_TMPDIR to a folder"):
        start()


def test_a_full_disk_is_found_before_ray_waits_for_it(monkeypatch: pytest.MonkeyPatch) -> None:
    full = Mock(side_effect=OSError(28, "No space left on device"))
    monkeypatch.setattr("fer_tune.study.tune.ray_session.TemporaryFile", full)
    with pytest.raises(UserError, match="No space left on device; set RAY_TMPDIR"):
        start()


@pytest.mark.parametrize(("value", "used"), [("", "/tmp"), ("own", "{here}/own"), ("~", "{here}")])
def test_the_temporary_folder_may_be_empty_relative_or_in_the_home_folder(
    value: str, used: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("RAY_TMPDIR", value)
    start(None)
    assert os.environ["RAY_TMPDIR"] == used.format(here=tmp_path)
    if not value:
        assert not list(tmp_path.iterdir())


def test_ray_writes_no_token_into_the_home_folder() -> None:
    start(None)
    token = os.environ["RAY_AUTH_TOKEN"]
    assert len(token) == 64
    start(None)
    assert os.environ["RAY_AUTH_TOKEN"] == token


def test_the_processes_of_a_failed_start_are_killed() -> None:
    from ray._private.node import Node

    node = Node.__new__(Node)
    ends = iter([TIMED_OUT, None])

    def init_ray(self: object) -> None:  # noqa: ARG001  # Ray's frames have the node as self
        if error := next(ends):
            raise error

    with (
        patch("ray.init", side_effect=lambda *_, **__: init_ray(node)),
        patch("ray.shutdown"),
        patch.object(Node, "kill_all_processes") as kill,
    ):
        start_local_ray({})
    assert kill.call_count == 1
