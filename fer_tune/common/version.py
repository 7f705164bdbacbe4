"""The version of the code, for the records of a study."""

import subprocess
from importlib.metadata import version
from pathlib import Path


def read_code_version() -> str:
    """Return the package's version, with the commit if it runs from a checkout."""
    package = version("fer_tune")
    try:
        root = Path(__file__).parents[2]
        if Path(_run_git("rev-parse", "--show-toplevel")) == root:  # not another project's checkout
            package += f"+{_run_git('describe', '--always', '--dirty', '--abbrev=12')}"
    except (OSError, subprocess.CalledProcessError):
        pass
    return package


def _run_git(*arguments: str) -> str:
    command = ["git", "-C", str(Path(__file__).parent), *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()
