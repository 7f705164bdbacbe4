"""Connection to Ray: to a cluster, or to a new Ray on this machine."""

import logging
import os
import secrets
import signal
import sys
import threading
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryFile
from typing import Any

from fer_tune.common.errors import UserError, explain_os_errors
from fer_tune.common.safe_text import find_first_sentence
from fer_tune.study.tune.cluster_connection import connect_to_cluster, forget_token
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
    # Otherwise `uv run` makes Ray copy the working folder, with its faces, to every worker.
    "RAY_ENABLE_UV_RUN_RUNTIME_ENV": "0",
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

# Variables of Ray Tune. Some stop it, as guides for older versions set them, some change a study.
_TUNE_PREFIXES = ("TUNE_", "RAY_AIR_", "RAY_TRAIN_")

# Further arguments of `ray.init`.
_QUIET_OPTIONS = {"log_to_driver": False, "logging_level": logging.ERROR}


@contextmanager
def open_ray_session(address: str | None) -> Iterator[list[Machine]]:
    """Connect to the Ray cluster at `address`, or start Ray on this machine; disconnect at the end.

    Yields the machines. Raises UserError if no cluster answers, or Ray cannot start.
    """
    set_ray_environment()
    with _remove_own_token():
        _start_or_connect(address)
        import ray

        try:
            nodes = [node["Resources"] for node in ray.nodes() if node["Alive"]]
            machines = [Machine(int(node.get("CPU", 0)), int(node.get("GPU", 0))) for node in nodes]
            if address is None and machines[0].gpus:
                machines = [detect_machine()]  # its torch may not support the GPUs that Ray sees
            yield machines
        finally:
            ray.shutdown()


@contextmanager
def _remove_own_token() -> Iterator[None]:
    """Remove the token of a Ray on this machine afterwards, since no cluster accepts it."""
    has_token = bool(os.environ.get("RAY_AUTH_TOKEN", "").strip())
    try:
        yield
    finally:
        if not has_token:
            os.environ.pop("RAY_AUTH_TOKEN", None)


def _start_or_connect(address: str | None) -> None:
    # Ray replaces the handler of SIGTERM. When a terminal is closed, all processes in it receive
    # SIGHUP. Ray's inherit the mask, so they stay until the study is saved.
    handler = signal.getsignal(signal.SIGTERM)
    mask = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGHUP})
    try:
        if address is None:
            start_local_ray(_QUIET_OPTIONS)
        else:
            connect_to_cluster(address, _QUIET_OPTIONS)
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, mask)
        if threading.current_thread() is threading.main_thread():  # Ray replaces it only there
            signal.signal(signal.SIGTERM, handler)


def set_ray_environment() -> None:
    """Set `RAY_ENVIRONMENT`, and remove all other variables of Ray Tune."""
    for name in [name for name in os.environ if name.startswith(_TUNE_PREFIXES)]:
        del os.environ[name]
    for name, value in RAY_ENVIRONMENT.items():
        os.environ.setdefault(name, value)


_NEEDED_BYTES = 1 << 20  # in the temporary folder, of which Ray's sockets and logs take a part


def start_local_ray(options: dict[str, Any]) -> None:
    """Start Ray on this machine, and once more if the machine is too busy for the first start.

    options: further arguments of `ray.init`.
    Raises UserError if Ray cannot start.
    """
    # As on macOS and Windows, Ray listens on 127.0.0.1 only, so that nobody else in the network
    # can reach it.
    os.environ.setdefault("RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER", "0")
    # Attempts to reach Ray's server, each up to 40 seconds.
    os.environ.setdefault("RAY_NUM_REDIS_GET_RETRIES", "2")
    os.environ.pop("RAY_GCS_SERVER_PORT", None)  # may be the port of a Ray that runs
    if not os.environ.get("RAY_AUTH_TOKEN", "").strip():
        # Otherwise Ray writes a token into the home folder, which may be read-only.
        os.environ["RAY_AUTH_TOKEN"] = secrets.token_hex(32)
    folder = _prepare_temp_dir()
    import ray

    forget_token()
    for is_retry in (False, True):
        try:
            ray.init("local", num_cpus=count_cores(), include_dashboard=False, **options)
            break
        except Exception as error:
            ray.shutdown()
            _kill_processes(error)
            if is_retry or "timed out" not in str(error):
                raise _explain_start_error(error, folder) from error


def _prepare_temp_dir() -> Path:
    """Return Ray's folder of temporary files, and make Ray use it.

    Raises UserError if the folder cannot be written.
    """
    # Ray takes an empty or relative path as it is, and its processes run in other folders.
    default = os.environ.get("TMPDIR") if sys.platform == "linux" else None
    base = Path(os.environ.get("RAY_TMPDIR") or default or "/tmp").expanduser().absolute()
    os.environ["RAY_TMPDIR"] = str(base)
    folder = base / "ray"
    advice = "set RAY_TMPDIR to a folder with space that you can write to, such as /var/tmp"
    with explain_os_errors(f"Ray cannot write to its folder {folder}", advice):
        folder.mkdir(parents=True, exist_ok=True)
        with TemporaryFile(dir=folder) as file:
            file.write(bytes(_NEEDED_BYTES))
    return folder


def _kill_processes(error: Exception) -> None:
    """Kill the processes of a node whose start failed. Ray keeps no other reference to the node."""
    from ray._private.node import Node

    for frame, _ in traceback.walk_tb(error.__traceback__):
        node = frame.f_locals.get("self")
        if isinstance(node, Node):
            node.kill_all_processes(check_alive=False)


def _explain_start_error(error: Exception, folder: Path) -> UserError:
    if "AF_UNIX" in str(error):
        problem = f"{folder} is too long a path for Ray's sockets"
        return UserError(f"{problem}; set RAY_TMPDIR to a shorter one, such as /tmp")
    reason = find_first_sentence(str(error))
    hint = "the machine may be busy or short of memory; " * ("timed out" in str(error))
    logs = folder / "session_latest" / "logs"
    return UserError(f"Ray cannot start on this machine: {reason}; {hint}Ray's logs are in {logs}")
