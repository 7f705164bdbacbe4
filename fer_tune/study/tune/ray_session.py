"""A connection to Ray: to a cluster, or to one of its own on this machine."""

import logging
import os
import signal
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from urllib.parse import urlsplit

from fer_tune.common.errors import UserError
from fer_tune.study.tune.resources import Machine, count_cores, detect_machine

# Ray reads these when it starts, or as a study begins.
RAY_ENVIRONMENT = {
    # A trial trains on a thread of its worker. glibc gives the memory of such a thread back to the
    # system after each step, that of the main one it keeps (see fer_tune.trial.device).
    "MALLOC_ARENA_MAX": "1",
    "RAY_AIR_NEW_OUTPUT": "0",
    "RAY_CHDIR_TO_TRIAL_DIR": "0",
    # It tells of machines that died in colour, even to a file.
    "RAY_COLOR_PREFIX": "0",
    "RAY_USAGE_STATS_ENABLED": "0",
    # Tune gives its actors an environment of their own, so workers started before are of no use.
    "RAY_prestart_worker_first_driver": "0",
    # The error of a trial is told in one line, and kept whole in MLflow.
    "TUNE_PRINT_ALL_TRIAL_ERRORS": "0",
    # With a callback of ours, Tune would add loggers for CSV and TensorBoard, which nobody reads.
    "TUNE_DISABLE_AUTO_CALLBACK_LOGGERS": "1",
    # Seconds between two snapshots of all trials, which a study is never restored from.
    "TUNE_GLOBAL_CHECKPOINT_S": "inf",
}

# As on macOS and Windows: a Ray of one machine takes 127.0.0.1 for its address, and listens on no
# other. With an address of the network, all the network could reach it.
LOCAL_ENVIRONMENT = {"RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER": "0"}

# Beside these, for a cluster: tries to connect, a second each. It is there already, or is not.
CLUSTER_ENVIRONMENT = {"RAY_NUM_REDIS_GET_RETRIES": "5"}

TOKEN_SOURCES = "RAY_AUTH_TOKEN or ~/.ray/auth_token"
PROBE_SECONDS = 5


@contextmanager
def open_ray_session(address: str | None) -> Iterator[list[Machine]]:
    """Connect to the Ray cluster at `address`, or start Ray here; and leave it in the end.

    Yields what there is to divide among trials. Raises UserError where no cluster answers.
    """
    for name, value in (
        RAY_ENVIRONMENT | (LOCAL_ENVIRONMENT if address is None else CLUSTER_ENVIRONMENT)
    ).items():
        os.environ.setdefault(name, value)
    import ray

    at_end = signal.getsignal(signal.SIGTERM)
    quiet = {"log_to_driver": False, "logging_level": logging.ERROR}
    if address is None:
        ray.init("local", num_cpus=count_cores(), include_dashboard=False, **quiet)
    else:
        try:
            _check_reachable(address)
            ray.init(address, **quiet)
        except (OSError, ValueError) as error:
            raise UserError(
                f"--address {address}: no Ray cluster answers there ({error}); is it running, and "
                f"{TOKEN_SOURCES} its token?"
            ) from error
        except ray.exceptions.AuthenticationError as error:
            raise UserError(
                f"--address {address}: needs a token; is {TOKEN_SOURCES} there?"
            ) from error
    # Ray's own handler, set as it started, would end this process at once.
    signal.signal(signal.SIGTERM, at_end)
    try:
        yield _list_machines(address is None)
    finally:
        ray.shutdown()


def _list_machines(is_local: bool) -> list[Machine]:
    import ray

    there = [each["Resources"] for each in ray.nodes() if each["Alive"]]
    machines = [Machine(int(each.get("CPU", 0)), int(each.get("GPU", 0))) for each in there]
    if is_local and machines[0].gpus:
        return [detect_machine()]  # the torch installed here may have no use for what Ray sees
    return machines


def _check_reachable(address: str) -> None:
    """Raise OSError at once where nothing listens: Ray itself waits for minutes."""
    place = urlsplit(address if "://" in address else f"//{address}")
    if place.hostname and place.port:
        socket.create_connection((place.hostname, place.port), PROBE_SECONDS).close()
