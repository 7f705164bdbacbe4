"""Connection to a Ray cluster that runs already, and a watch on its head during a study.

If the head is gone, Ray's calls wait for it without a limit, and Ctrl-C does not interrupt them.
After a while, Ray ends the process and does not say how to resume the study.
"""

import argparse
import os
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from time import monotonic
from typing import Any
from urllib.parse import urlsplit

from fer_tune.common.errors import UserError
from fer_tune.common.safe_text import find_first_sentence

# Seconds after which Ray ends this process. The machines of a cluster wait for 60.
_RAY_LIMIT = "RAY_gcs_rpc_server_reconnect_timeout_s"
_CHECK_SECONDS = 5  # between two checks of the head
_ANSWER_SECONDS = 5


def parse_cluster_address(text: str) -> str | None:
    """Return the address of a Ray cluster, for argparse; None for Ray on this machine."""
    text = text.strip()
    if text in ("", "local"):
        return None
    with suppress(ValueError):  # such as a port that is no number
        url = urlsplit(f"//{text}")
        is_complete = url.hostname and url.port and url.netloc == text and not url.username
        if is_complete or text == "auto":
            return text
    raise argparse.ArgumentTypeError(
        f"{text!r} (--address or RAY_ADDRESS) is no address of a Ray cluster; write HOST:PORT, "
        "such as head:6379, or auto"
    )


def connect_to_cluster(address: str, options: dict[str, Any]) -> None:
    """Connect to the Ray cluster at an address, with a token if the cluster asks for one.

    address: HOST:PORT; or "auto", for the cluster that this machine last started or joined.
    options: further arguments of `ray.init`.
    Raises UserError if this is not possible.
    """
    os.environ.setdefault("RAY_NUM_REDIS_GET_RETRIES", "5")  # attempts to connect, one a second
    os.environ.setdefault(_RAY_LIMIT, "120")  # Ray ends this process only after the watch
    # A cluster without tokens would accept a study that sends one, and then fail every trial.
    os.environ.pop("RAY_AUTH_MODE", None)
    source = f"{address} (--address or RAY_ADDRESS)"
    import ray
    from ray.exceptions import AuthenticationError, RpcError

    forget_token()
    try:
        where = _find_cluster(address)
        _enable_token_if_needed(where)
    except AuthenticationError as error:
        problem = find_first_sentence(str(error)).removeprefix("RPC error: ")
        advice = "put the cluster's token into RAY_AUTH_TOKEN or ~/.ray/auth_token"
        raise UserError(f"{source}: {problem}; {advice}") from error
    except (OSError, RpcError) as error:
        problem = f"no Ray cluster answers ({find_first_sentence(str(error))})"
        advice = "start it with `ray start`, or give no address to use this machine"
        raise UserError(f"{source}: {problem}; {advice}") from error
    try:
        ray.init(where, **options)
    except Exception as error:
        problem = find_first_sentence(str(error.__cause__ or error))
        raise UserError(
            f"{source}: Ray cannot connect ({problem}); this machine must be a node of the cluster "
            f"(`ray start --address={where}`) with the same versions of Ray and Python"
        ) from error


def forget_token() -> None:
    """Make Ray read its token again. It keeps that of a Ray that this process used before."""
    from ray._raylet import AuthenticationTokenLoader  # type: ignore[attr-defined]

    AuthenticationTokenLoader.instance().reset_cache()


def _find_cluster(address: str) -> str:
    """Return the address of a cluster as HOST:PORT. Raises OSError at once if nothing answers.

    Ray itself waits for minutes.
    """
    from ray._private.services import canonicalize_bootstrap_address
    from ray._private.utils import read_ray_address

    if address == "auto":  # for which Ray itself prefers any Ray of this machine
        address = read_ray_address() or address
    where: str = canonicalize_bootstrap_address(address)
    host, _, port = where.rpartition(":")
    try:
        socket.create_connection((host.strip("[]"), int(port)), _ANSWER_SECONDS).close()
    except OSError as error:
        raise OSError(f"{where}: {error.strerror or error}") from error
    return where


def _enable_token_if_needed(address: str) -> None:
    """Make Ray send its token if the cluster asks for one. Raises Ray's AuthenticationError.

    `ray.init` sends a token only in this mode, but does not enter it for an address.
    """
    from ray._private.authentication import authentication_token_setup as tokens
    from ray._raylet import GcsClient  # type: ignore[attr-defined]  # it is compiled
    from ray.exceptions import AuthenticationError

    with _hide_native_log():
        try:
            GcsClient(address=address)
        except AuthenticationError:
            tokens.maybe_enable_token_auth_if_token_available(warn_if_disabled=False)
            GcsClient(address=address)


@contextmanager
def _hide_native_log() -> Iterator[None]:
    """Discard what Ray's C++ code writes to stderr, where it logs each refusal."""
    stderr, nowhere = os.dup(2), os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 2)
    try:
        yield
    finally:
        os.dup2(stderr, 2)
        os.close(stderr)
        os.close(nowhere)


@contextmanager
def watch_cluster(address: str | None, on_loss: Callable[[str], object]) -> Iterator[None]:
    """Watch the cluster to which Ray is connected.

    address: of the cluster; nothing is watched if it is None.
    on_loss: is called in another thread if the cluster is lost, with a clause that says so. It must
        not call Ray, and should end the process: the main thread may wait for Ray forever.
    """
    if address is None:
        yield
        return
    has_ended = threading.Event()

    def watch() -> None:
        if problem := _wait_for_loss(has_ended):
            on_loss(f"the Ray cluster at {address} {problem}")

    thread = threading.Thread(target=watch, name="cluster-watch", daemon=True)
    thread.start()
    try:
        yield
    finally:
        has_ended.set()
        thread.join()


def _wait_for_loss(has_ended: threading.Event) -> str | None:
    """Return how the cluster was lost; None if the study has ended before."""
    from ray._private.worker import global_worker
    from ray.exceptions import AuthenticationError, RayError

    patience = int(os.environ[_RAY_LIMIT]) / 2  # that of the cluster's machines
    silent_since = None
    while not has_ended.wait(_CHECK_SECONDS):
        try:
            global_worker.gcs_client.internal_kv_get(
                b"session_name", b"session", timeout=_ANSWER_SECONDS
            )
            silent_since = None
        except AuthenticationError:  # another cluster has started at this address
            return None if has_ended.is_set() else "was started again without this study"
        except RayError:
            silent_since = silent_since or monotonic() - _ANSWER_SECONDS
            if monotonic() - silent_since >= patience and not has_ended.is_set():
                return f"has not answered for {patience:.0f} s"
    return None
