"""Connection to Ray: to a cluster, or to a new Ray on this machine."""

import logging
import os
import signal
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from urllib.parse import urlsplit

from fer_tune.common.errors import UserError
from fer_tune.study.tune.resources import Machine, count_cores, detect_machine

# Ray reads these at its start or at the start of a study.
RAY_ENVIRONMENT = {
    # A trial trains in a thread of its worker, from which glibc returns memory to the system after
    # each step, unlike in the main thread (see fer_tune.trial.device).
    "MALLOC_ARENA_MAX": "1",
    "RAY_AIR_NEW_OUTPUT": "0",
    "RAY_CHDIR_TO_TRIAL_DIR": "0",
    # Otherwise Ray colours its messages about dead machines even in a file.
    "RAY_COLOR_PREFIX": "0",
    "RAY_USAGE_STATS_ENABLED": "0",
    # Tune's actors have their own environment and cannot use workers that were started before.
    "RAY_prestart_worker_first_driver": "0",
    # The terminal shows a trial's error in one line, and MLflow has the traceback.
    "TUNE_PRINT_ALL_TRIAL_ERRORS": "0",
    # With a callback, Tune would also write CSV and TensorBoard logs, which nobody reads.
    "TUNE_DISABLE_AUTO_CALLBACK_LOGGERS": "1",
    # Seconds between snapshots of all trials. A study is restored from its event log instead.
    "TUNE_GLOBAL_CHECKPOINT_S": "inf",
}

# As on macOS and Windows, Ray on one machine listens on 127.0.0.1 only, so that nobody else in the
# network can reach it.
LOCAL_ENVIRONMENT = {"RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER": "0"}

# For a cluster: attempts to connect, one a second.
CLUSTER_ENVIRONMENT = {"RAY_NUM_REDIS_GET_RETRIES": "5"}

TOKEN_SOURCES = "RAY_AUTH_TOKEN or ~/.ray/auth_token"
PROBE_SECONDS = 5


@contextmanager
def open_ray_session(address: str | None) -> Iterator[list[Machine]]:
    """Connect to the Ray cluster at `address`, or start Ray on this machine; disconnect at the end.

    Yields the machines. Raises UserError if no cluster answers.
    """
    for name, value in (
        RAY_ENVIRONMENT | (LOCAL_ENVIRONMENT if address is None else CLUSTER_ENVIRONMENT)
    ).items():
        os.environ.setdefault(name, value)
    import ray

    sigterm_handler = signal.getsignal(signal.SIGTERM)
    quiet = {"log_to_driver": False, "logging_level": logging.ERROR}
    if address is None:
        ray.init("local", num_cpus=count_cores(), include_dashboard=False, **quiet)
    else:
        try:
            _check_reachable(address)
            ray.init(address, **quiet)
        except (OSError, ValueError) as error:
            raise UserError(
                f"--address {address}: no Ray cluster answers ({error}); is it running, and does "
                f"{TOKEN_SOURCES} have its token?"
            ) from error
        except ray.exceptions.AuthenticationError as error:
            raise UserError(
                f"--address {address}: the cluster needs a token in {TOKEN_SOURCES}"
            ) from error
    # Ray has set its own handler, which would end this process at once.
    signal.signal(signal.SIGTERM, sigterm_handler)
    try:
        yield _list_machines(address is None)
    finally:
        ray.shutdown()


def _list_machines(is_local: bool) -> list[Machine]:
    import ray

    nodes = [node["Resources"] for node in ray.nodes() if node["Alive"]]
    machines = [Machine(int(node.get("CPU", 0)), int(node.get("GPU", 0))) for node in nodes]
    if is_local and machines[0].gpus:
        return [detect_machine()]  # the installed torch may not support the GPUs that Ray sees
    return machines


def _check_reachable(address: str) -> None:
    """Raise OSError at once if nothing listens at the address. Ray itself waits for minutes."""
    url = urlsplit(address if "://" in address else f"//{address}")
    if url.hostname and url.port:
        socket.create_connection((url.hostname, url.port), PROBE_SECONDS).close()
