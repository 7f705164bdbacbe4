"""Connection to a Ray cluster that runs already."""

import argparse
import json
import os
import subprocess
import sys
from typing import Any
from urllib.parse import urlsplit

from fer_tune.common.errors import UserError
from fer_tune.common.safe_text import find_first_sentence

_PROBE_MODULE = "fer_tune.study.tune.probe_cluster"
_PROBE_SECONDS = 60  # Python imports Ray, which takes long on a busy machine
_TOKEN_SOURCES = "RAY_AUTH_TOKEN or ~/.ray/auth_token"


def parse_cluster_address(text: str) -> str | None:
    """Return the address of a Ray cluster, for argparse; None for Ray on this machine."""
    text = text.strip()
    if text in ("", "local"):
        return None
    try:
        url = urlsplit(f"//{text}")
        is_valid = bool(url.hostname and url.port and url.netloc == text and not url.username)
    except ValueError:
        is_valid = False
    if not is_valid and text != "auto":
        raise argparse.ArgumentTypeError(
            f"{text!r} (--address or RAY_ADDRESS) is no address of a Ray cluster; write HOST:PORT, "
            "such as head:6379, or auto"
        )
    return text


def connect_to_cluster(address: str, options: dict[str, Any]) -> None:
    """Connect to the Ray cluster at an address, with a token if the cluster asks for one.

    address: HOST:PORT; or "auto", for a cluster that `ray start` began on this machine.
    options: further arguments of `ray.init`.
    Raises UserError if this is not possible.
    """
    os.environ.setdefault("RAY_NUM_REDIS_GET_RETRIES", "5")  # attempts to connect, one a second
    is_variable = os.environ.get("RAY_ADDRESS", "").strip() == address
    source = f"RAY_ADDRESS={address}" if is_variable else f"--address {address}"
    without = "unset RAY_ADDRESS" if is_variable else "leave out --address"
    answer = _probe_cluster(address)
    match answer.get("error"):
        case None:
            pass
        case "AuthenticationError":
            problem = find_first_sentence(answer["problem"]).removeprefix("RPC error: ")
            raise UserError(f"{source}: {problem}; does {_TOKEN_SOURCES} have the cluster's token?")
        case _:
            raise UserError(
                f"{source}: no Ray cluster answers ({find_first_sentence(answer['problem'])}); "
                f"start it with `ray start`, or {without} to use this machine"
            )
    # Ray sends a token only in this mode, which "auto" alone would set. With it, a cluster without
    # tokens accepts the study and then fails every trial.
    mode = os.environ.setdefault("RAY_AUTH_MODE", answer["mode"]).lower()
    if mode != answer["mode"]:
        raise UserError(
            f"{source}: RAY_AUTH_MODE is {mode}, but the cluster's is {answer['mode']}; "
            "unset RAY_AUTH_MODE"
        )
    import ray

    try:
        ray.init(answer["address"], **options)
    except Exception as error:
        problem = find_first_sentence(str(error.__cause__ or error))
        raise UserError(
            f"{source}: Ray cannot connect ({problem}); this machine must be a node of the cluster "
            f"(`ray start --address={answer['address']}`) with the same versions of Ray and Python"
        ) from error


def _probe_cluster(address: str) -> dict[str, str]:
    hidden = ("RAY_ADDRESS", "RAY_AUTH_MODE")
    environment = {name: value for name, value in os.environ.items() if name not in hidden}
    command = [sys.executable, "-m", _PROBE_MODULE, address]
    try:
        shown = subprocess.run(
            command,
            env=environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            check=True,
            timeout=_PROBE_SECONDS,
        ).stdout
    except subprocess.SubprocessError as error:
        return {"error": type(error).__name__, "problem": str(error)}
    answer: dict[str, str] = json.loads(shown)
    return answer
