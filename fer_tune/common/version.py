"""The version of the code, for the records of a study."""

import subprocess
from contextlib import suppress
from importlib.metadata import version
from pathlib import Path

_ROOT = Path(__file__).parents[2]


def read_code_version() -> str:
    """Return the package's version, with the commit if it runs from a checkout."""
    # With its path, git does not look for another project's checkout around the package.
    git = ["git", "-C", str(_ROOT), f"--git-dir={_ROOT / '.git'}"]
    command = [*git, "describe", "--always", "--dirty", "--abbrev=12"]
    with suppress(OSError, subprocess.CalledProcessError):
        done = subprocess.run(command, capture_output=True, text=True, check=True)
        return f"{version('fer_tune')}+{done.stdout.strip()}"
    return version("fer_tune")
