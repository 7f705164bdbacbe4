"""What tests need of the machine they run on."""

import os
import socket
import subprocess
from typing import NoReturn

import pytest


def lacks(reason: str) -> NoReturn:
    """Skip what cannot be tested here, saying why; in CI, which has all that is needed, fail."""
    if os.environ.get("CI") == "true":
        pytest.fail(reason)
    pytest.skip(reason)


def free_port() -> int:
    """One on loopback that nobody listens on."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])


def bring(*packages: str) -> str | None:
    """Install Debian's packages; why that failed, or None."""
    names = " and ".join(packages)
    if os.geteuid() != 0:
        return f"no {names} here, and installing it takes root"
    quiet = os.environ | {"DEBIAN_FRONTEND": "noninteractive"}
    install = ["apt-get", "install", "-y", "--no-install-recommends", *packages]
    try:
        for command in (["apt-get", "update"], install):
            subprocess.run(command, check=True, timeout=240, env=quiet)
    except (OSError, subprocess.SubprocessError) as error:
        return f"no {names} here: {error}"
    return None
