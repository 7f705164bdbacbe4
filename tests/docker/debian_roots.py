"""Small Debian systems in the user's cache, made once by mmdebstrap."""

import hashlib
import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path

from platformdirs import user_cache_path

CACHE = user_cache_path("fer_tune-tests")


def make_root(name: str, packages: Sequence[str], suffix: str = "") -> Path:
    """Return a root folder with these packages, or an archive of it if the suffix is ".tar".

    Takes a minute or more the first time. Raises CalledProcessError if it cannot be made.
    """
    command = ["mmdebstrap", "--variant=minbase", f"--include={','.join(packages)}", "trixie"]
    key = hashlib.sha256(" ".join(command).encode()).hexdigest()[:12]
    made = CACHE / "roots" / f"{name}-{key}{suffix}"
    if made.exists():
        return made
    made.parent.mkdir(parents=True, exist_ok=True)
    for former in [*made.parent.glob(f"{name}-*"), *made.parent.glob(f"unfinished-{name}*")]:
        former.unlink() if former.is_file() else shutil.rmtree(former)
    unfinished = made.with_name(f"unfinished-{name}{suffix}")
    subprocess.run([*command, str(unfinished)], check=True, timeout=900)
    return unfinished.rename(made)
