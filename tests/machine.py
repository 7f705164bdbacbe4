"""What tests need of the machine they run on."""

import os
import socket
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NoReturn

import pytest
from filelock import FileLock


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


@contextmanager
def hold_read_only(folder: Path) -> Iterator[None]:
    """Make a folder read-only for a while, and this process a user who cannot change that.

    Others than root must be able to reach the folder.
    """
    paths = [folder, *folder.rglob("*")]
    modes = {path: path.stat().st_mode for path in paths}
    for path, mode in modes.items():
        path.chmod(mode & ~0o222 | 0o444 | (0o111 if path.is_dir() else 0))
    is_root, nobody = os.geteuid() == 0, 65534
    if is_root:
        os.setresuid(nobody, nobody, 0)
    try:
        yield
    finally:
        if is_root:
            os.setresuid(0, 0, 0)
        for path, mode in modes.items():
            path.chmod(mode)


def bring(*packages: str) -> str | None:
    """Install Debian's packages; why that failed, or None."""
    names = " and ".join(packages)
    if os.geteuid() != 0:
        return f"no {names} here, and installing it takes root"
    quiet = os.environ | {"DEBIAN_FRONTEND": "noninteractive"}
    install = ["apt-get", "install", "-y", "--no-install-recommends", *packages]
    try:
        # Debian's tools refuse to run twice at once, but two test processes may need them.
        with FileLock(Path(tempfile.gettempdir()) / "fer-tune-tests-install.lock"):
            for command in (["apt-get", "update"], install):
                subprocess.run(command, check=True, timeout=240, env=quiet)
    except (OSError, subprocess.SubprocessError) as error:
        return f"no {names} here: {error}"
    return None
