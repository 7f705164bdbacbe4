"""Which code a study was run with."""

import subprocess
from importlib.metadata import version
from pathlib import Path


def read_code_version() -> str:
    """The package's version, and the commit where it runs from a checkout."""
    here = Path(__file__).parents[2]
    try:
        if (
            Path(_run_git("rev-parse", "--show-toplevel")) != here
        ):  # installed below somebody else's
            return version("fer_tune")
        return f"{version('fer_tune')}+{_run_git('describe', '--always', '--dirty', '--abbrev=12')}"
    except (OSError, subprocess.CalledProcessError):
        return version("fer_tune")


def _run_git(*arguments: str) -> str:
    command = ["git", "-C", str(Path(__file__).parent), *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()
