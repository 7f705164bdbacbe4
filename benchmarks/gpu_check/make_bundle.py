"""Write one folder with all that the check needs on a machine with torch (`make gpu-bundle`)."""

import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path

from packaging.requirements import Requirement

from benchmarks.gpu_check.bundled_files import BUNDLED_FACES, BUNDLED_VERSION
from benchmarks.gpu_check.demo_faces import save_demo_faces
from fer_tune.common import cli
from fer_tune.common.errors import UserError
from fer_tune.common.version import read_code_version

ROOT = Path(__file__).parents[2]
SOURCES = (
    "fer_tune",
    "benchmarks/__init__.py",
    "benchmarks/gpu_check",
    "benchmarks/markdown_table.py",
    "benchmarks/matrix_product_speed.py",
    "benchmarks/processes.py",
    "tests/gpu",
    "search_spaces",
    "pyproject.toml",
    "LICENSE",
)
# What the check imports beside torch, and what these packages need.
PACKAGES = (
    *("annotated-types", "iniconfig", "numpy", "packaging", "pluggy", "pydantic", "pydantic-core"),
    *("pygments", "pytest", "pytest-timeout", "pyyaml", "typing-extensions", "typing-inspection"),
)
# pip takes each name literally, and wheels have any of these.
PLATFORMS = [f"manylinux{name}_x86_64" for name in ("_2_28", "_2_27", "_2_17", "2014")]

RUN_SCRIPT = """\
#!/bin/sh
# Check and measure fer_tune on this machine's NVIDIA GPU, without a network:
#   sh run.sh [--out FILE]
# PYTHON=... names another Python. It needs torch 2.11 or newer; nothing is installed into it.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
python=${PYTHON:-python3}
"$python" -c 'import sys; sys.exit("%d.%d" % sys.version_info[:2] != "VERSION")' || {
  echo "error: $python is not Python VERSION, for which this folder has packages; name another" \\
    "with PYTHON=..., or make a folder for it: make gpu-bundle ARGS='--python 3.11'" >&2
  exit 2
}
packages=$(mktemp -d)
trap 'rm -rf "$packages"' EXIT
for wheel in "$here"/wheels/*.whl; do
  "$python" -m zipfile -e "$wheel" "$packages"
done
export PYTHONPATH="$packages:$here" PYTHONDONTWRITEBYTECODE=1
"$python" -P -m benchmarks.gpu_check "$@"
"""


def main(argv: Sequence[str] | None = None) -> None:
    """Write the folder, complete or not at all."""
    parser = cli.CommandParser(
        prog="python -m benchmarks.gpu_check.make_bundle", description=__doc__
    )
    default = ROOT / "dist" / "gpu-bundle"
    parser.add_argument(
        "folder",
        nargs="?",
        type=cli.parse_path,
        default=default,
        help="where to write it; must not exist (default: dist/gpu-bundle)",
    )
    parser.add_argument(
        "--python",
        default="3.12",
        choices=("3.11", "3.12", "3.13"),
        help="Python of the machine with the GPU (default: 3.12)",
    )
    options = parser.parse_args(argv)
    make_bundle(options.folder, options.python)
    size = sum(path.stat().st_size for path in options.folder.rglob("*") if path.is_file())
    print(f"{options.folder}: {size / 1e6:.0f} MB for Python {options.python} on Linux x86-64.")
    print("Copy it to a machine with an NVIDIA GPU and torch, and type there: sh run.sh")


def make_bundle(folder: Path, python: str) -> None:
    """Write the folder.

    python: version of Python on the machine with the GPU, such as "3.12".

    Raises UserError if the folder exists, or the packages cannot be downloaded.
    """
    if folder.exists():
        raise UserError(f"{folder} exists; delete it, or name another folder")
    folder.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder.parent) as temporary:
        bundle = Path(temporary) / "bundle"
        for source in SOURCES:
            _copy(ROOT / source, bundle / source)
        save_demo_faces(bundle / BUNDLED_FACES.relative_to(ROOT))
        (bundle / BUNDLED_VERSION.relative_to(ROOT)).write_text(read_code_version() + "\n")
        (bundle / "run.sh").write_text(RUN_SCRIPT.replace("VERSION", python))
        _download_wheels(bundle / "wheels", python)
        bundle.rename(folder)


def _copy(source: Path, target: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    if source.is_dir():
        shutil.copytree(source, target, ignore=shutil.ignore_patterns("__pycache__"))
    else:
        shutil.copy(source, target)


def _download_wheels(folder: Path, python: str) -> None:
    locked = folder.parent / "locked.txt"
    locked.write_text("".join(select_locked((ROOT / "requirements.lock").read_text(), python)))
    command = [sys.executable, "-m", "pip", "download", "--quiet", "--disable-pip-version-check"]
    command += ["--require-hashes", "--no-deps", "--only-binary=:all:", "--python-version", python]
    command += [word for name in PLATFORMS for word in ("--platform", name)]
    done = subprocess.run(
        [*command, "--dest", str(folder), "-r", str(locked)], capture_output=True, text=True
    )
    locked.unlink()
    if done.returncode:
        reason = (done.stderr.strip() or "no reason given").splitlines()[-1]
        raise UserError(f"pip cannot download the packages for Python {python}: {reason}")


def select_locked(lock: str, python: str) -> Iterator[str]:
    """Yield the lines of a lock file for PACKAGES, with their hashes, for a version of Python."""
    target = {"python_version": python, "python_full_version": f"{python}.0"}
    for entry in re.split(r"\n(?=\w)", lock):
        requirement = Requirement(entry.partition("\\")[0])
        fits = requirement.marker is None or requirement.marker.evaluate(target)
        if requirement.name in PACKAGES and fits:
            hashes = re.findall(r"--hash=\S+", entry)
            yield " ".join([f"{requirement.name}{requirement.specifier}", *hashes]) + "\n"


if __name__ == "__main__":
    cli.run_command(main)
