import argparse
import os
import socket
from collections.abc import Iterator
from pathlib import Path
from unittest.mock import patch

import pytest
from ray._private.authentication import authentication_token_setup
from ray.exceptions import AuthenticationError, RpcError

from fer_tune.common.errors import UserError
from fer_tune.study.tune import cluster_connection
from fer_tune.study.tune.cluster_connection import connect_to_cluster, parse_cluster_address


@pytest.fixture(autouse=True)
def _own_environment(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    with patch.dict(os.environ):
        for name in ("RAY_ADDRESS", "RAY_AUTH_MODE"):
            monkeypatch.delenv(name, raising=False)
        yield


@pytest.mark.parametrize("text", ["head:6379", "10.0.0.1:6379", "[::1]:6379", "auto"])
def test_an_address_is_a_host_and_a_port_or_auto(text: str) -> None:
    assert parse_cluster_address(f" {text}") == text


@pytest.mark.parametrize("text", ["", " ", "local"])
def test_no_address_means_this_machine(text: str) -> None:
    assert parse_cluster_address(text) is None


WRONG_TOKEN = AuthenticationError(
    "RPC error: InvalidAuthToken: the token is missing or incorrect. Ensure that ..."
)
WITH_SCHEME = ["ray://head:10001", "http://head:8265", "me:secret@head:6379"]
WITHOUT_PORT = ["head", "head:0", "head:70000", "head:x", ":6379", "head:6379/0", "[::1:6379"]


@pytest.mark.parametrize("text", [*WITH_SCHEME, *WITHOUT_PORT])
def test_another_address_is_refused_with_an_example(text: str) -> None:
    with pytest.raises(argparse.ArgumentTypeError, match="write HOST:PORT, such as head:6379"):
        parse_cluster_address(text)


def connect(
    *refusals: Exception | None, has_token: bool = True, error: Exception | None = None
) -> None:
    """Connect to a cluster that refuses attempts, first one without a token, with these errors."""

    def enable_token(*, warn_if_disabled: bool) -> None:
        assert not warn_if_disabled
        os.environ.update({"RAY_AUTH_MODE": "token"} if has_token else {})

    with (
        patch.object(cluster_connection, "_find_cluster", return_value="10.0.0.1:6379"),
        patch("ray._raylet.GcsClient", side_effect=refusals),
        patch.object(
            authentication_token_setup, "maybe_enable_token_auth_if_token_available", enable_token
        ),
        patch("ray.init", side_effect=error) as init,
    ):
        connect_to_cluster("head:6379", {})
    assert init.call_args.args == ("10.0.0.1:6379",)


def test_ray_sends_a_token_to_a_cluster_that_asks_for_one() -> None:
    connect(WRONG_TOKEN, None)
    assert os.environ["RAY_AUTH_MODE"] == "token"


@pytest.mark.parametrize("mode", ["token", "disabled"])
def test_ray_sends_no_token_to_another_cluster(mode: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RAY_AUTH_MODE", mode)
    connect(None)
    assert "RAY_AUTH_MODE" not in os.environ


@pytest.mark.parametrize("has_token", [True, False])
def test_a_wrong_token_is_one_line_that_says_where_it_comes_from(has_token: bool) -> None:
    with pytest.raises(UserError, match=r"incorrect; put .* token into RAY_AUTH_TOKEN or"):
        connect(WRONG_TOKEN, WRONG_TOKEN, has_token=has_token)


def test_a_server_of_something_else_is_no_cluster() -> None:
    with pytest.raises(UserError, match=r"no Ray cluster answers \(UNIMPLEMENTED\)"):
        connect(RpcError("UNIMPLEMENTED", 12))


def test_what_ray_logs_about_refusals_is_hidden(capfd: pytest.CaptureFixture[str]) -> None:
    with cluster_connection._hide_native_log():
        os.write(2, b"gcs_client.cc:210: Unauthenticated")
    os.write(2, b"after")
    assert capfd.readouterr().err == "after"


def test_an_error_of_the_connection_is_one_line_with_its_cause() -> None:
    error = ConnectionError("Failed to connect to Ray cluster at 10.0.0.1:6379")
    error.__cause__ = RuntimeError("Version mismatch: Ray: 2.59\n  Python: 3.12")
    with pytest.raises(UserError, match=r"mismatch: Ray: 2\.59 Python: 3\.12") as shown:
        connect(None, error=error)
    assert "\n" not in str(shown.value)


def test_a_missing_cluster_is_one_line_that_names_both_ways_to_give_an_address() -> None:
    match = r"^head:6379 \(--address or RAY_ADDRESS\): .* give no address to use this machine$"
    with pytest.raises(UserError, match=match):
        connect(ConnectionRefusedError("gone"))


def test_a_cluster_that_ray_start_left_behind_is_named_by_its_address(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "ray").mkdir()
    monkeypatch.setenv("RAY_TMPDIR", str(tmp_path))
    with socket.socket() as taken:
        # Bound but not listening, so that no other process takes the port.
        taken.bind(("127.0.0.2", 0))
        address = "{}:{}".format(*taken.getsockname())
        (tmp_path / "ray" / "ray_current_cluster").write_text(address)
        with pytest.raises(
            UserError, match=rf"auto .*: no Ray .*{address}: Connection refused.*start"
        ):
            connect_to_cluster("auto", {})
