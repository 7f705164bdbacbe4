"""Connection to Ray: to a cluster, or to a new Ray on this machine."""

import logging
import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager

from fer_tune.study.tune.cluster_connection import connect_to_cluster
from fer_tune.study.tune.local_ray import start_local_ray
from fer_tune.study.tune.resources import Machine, detect_machine

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
    with _keep_signals():
        if address is None:
            start_local_ray(_QUIET_OPTIONS)
        else:
            connect_to_cluster(address, _QUIET_OPTIONS)
    import ray

    try:
        yield _list_machines(address is None)
    finally:
        ray.shutdown()


def set_ray_environment() -> None:
    """Set `RAY_ENVIRONMENT`, and remove all other variables of Ray Tune."""
    for name in [name for name in os.environ if name.startswith(_TUNE_PREFIXES)]:
        del os.environ[name]
    for name, value in RAY_ENVIRONMENT.items():
        os.environ.setdefault(name, value)


@contextmanager
def _keep_signals() -> Iterator[None]:
    """Keep the handler of SIGTERM, which Ray replaces, and SIGHUP from the processes of Ray.

    When a terminal is closed, all processes in it receive SIGHUP. Ray's must stay until the study
    is saved. They inherit the mask.
    """
    handler = signal.getsignal(signal.SIGTERM)
    mask = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGHUP})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, mask)
        signal.signal(signal.SIGTERM, handler)


def _list_machines(is_local: bool) -> list[Machine]:
    import ray

    nodes = [node["Resources"] for node in ray.nodes() if node["Alive"]]
    machines = [Machine(int(node.get("CPU", 0)), int(node.get("GPU", 0))) for node in nodes]
    if is_local and machines[0].gpus:
        return [detect_machine()]  # the installed torch may not support the GPUs that Ray sees
    return machines
