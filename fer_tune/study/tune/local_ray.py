"""Start of Ray on this machine."""

import os
import secrets
import sys
import traceback
from pathlib import Path
from tempfile import TemporaryFile
from typing import Any

from fer_tune.common.errors import UserError, explain_os_errors
from fer_tune.common.safe_text import find_first_sentence
from fer_tune.study.tune.resources import count_cores

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
    for is_retry in (False, True):
        try:
            _init_ray(options)
            break
        except Exception as error:
            has_timed_out = "timed out" in str(error)
            if is_retry or not has_timed_out:
                hint = "the machine may be busy or short of memory; " * has_timed_out
                raise _explain_start_error(error, folder, hint) from error


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


def _init_ray(options: dict[str, Any]) -> None:
    import ray

    try:
        ray.init("local", num_cpus=count_cores(), include_dashboard=False, **options)
    except Exception as error:
        ray.shutdown()
        _kill_processes(error)
        raise


def _kill_processes(error: Exception) -> None:
    """Kill the processes of a node whose start failed. Ray keeps no other reference to the node."""
    from ray._private.node import Node

    for frame, _ in traceback.walk_tb(error.__traceback__):
        node = frame.f_locals.get("self")
        if isinstance(node, Node):
            node.kill_all_processes(check_alive=False)


def _explain_start_error(error: Exception, folder: Path, hint: str) -> UserError:
    if "AF_UNIX" in str(error):
        problem = f"{folder} is too long a path for Ray's sockets"
        return UserError(f"{problem}; set RAY_TMPDIR to a shorter one, such as /tmp")
    reason = find_first_sentence(str(error))
    logs = folder / "session_latest" / "logs"
    return UserError(f"Ray cannot start on this machine: {reason}; {hint}Ray's logs are in {logs}")
