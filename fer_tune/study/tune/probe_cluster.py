"""python -m fer_tune.study.tune.probe_cluster ADDRESS: find out whether a Ray cluster answers.

This is a process of its own. Ray's C++ code may wait for minutes, print its log, and end the
process if a token is missing.
"""

import json
import os
import socket
import sys

_PROBE_SECONDS = 5
_HTTP2_GREETING = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + bytes.fromhex("000000040000000000")
_HTTP2_SETTINGS = b"\x04"


def probe_cluster(address: str) -> dict[str, str]:
    """Return the cluster's address as `HOST:PORT`, and its token mode: "token" or "disabled".

    address: HOST:PORT; or "auto", for a cluster that `ray start` began on this machine.
    Raises OSError or ValueError if no cluster answers, and Ray's AuthenticationError.
    """
    from ray._private.authentication.authentication_token_setup import (
        maybe_enable_token_auth_if_token_available,
    )
    from ray._private.services import canonicalize_bootstrap_address
    from ray._private.utils import read_ray_address
    from ray._raylet import GcsClient  # type: ignore[attr-defined]  # it is compiled
    from ray.exceptions import AuthenticationError, RpcError

    if address == "auto":  # for which Ray itself prefers any Ray of this machine
        address = read_ray_address() or address
    where = canonicalize_bootstrap_address(address)
    try:
        _greet_server(where)
        try:
            GcsClient(address=where)
        except AuthenticationError:
            if not maybe_enable_token_auth_if_token_available(warn_if_disabled=False):
                raise AuthenticationError("the cluster asks for a token") from None
            GcsClient(address=where)
            return {"address": where, "mode": "token"}
    except RpcError:
        raise OSError(f"what answers at {where} is no Ray cluster") from None
    except OSError as error:
        raise OSError(f"{where}: {error.strerror or error}") from error
    return {"address": where, "mode": "disabled"}


def _greet_server(address: str) -> None:
    """Raise OSError at once if nothing at the address speaks HTTP/2, as Ray does."""
    host, _, port = address.rpartition(":")
    with socket.create_connection((host.strip("[]"), int(port)), _PROBE_SECONDS) as connection:
        if os.environ.get("RAY_USE_TLS", "0").lower() not in ("1", "true"):
            connection.sendall(_HTTP2_GREETING)
            if connection.recv(4)[3:] != _HTTP2_SETTINGS:
                raise OSError("what answers is no Ray cluster")


if __name__ == "__main__":
    from ray.exceptions import RayError

    try:
        print(json.dumps(probe_cluster(sys.argv[1])))
    except (OSError, ValueError, RayError) as error:
        print(json.dumps({"error": type(error).__name__, "problem": str(error)}))
