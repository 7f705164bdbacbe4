"""The GPU that is checked, and what makes a check impossible."""

import platform
import re
import subprocess
import sys
import time
from importlib.metadata import PackageNotFoundError
from importlib.util import find_spec

from benchmarks.gpu_check.bundled_files import BUNDLED_FACES, BUNDLED_VERSION
from fer_tune.common.errors import UserError
from fer_tune.common.version import read_code_version

PACKAGES = ("numpy", "pydantic", "yaml", "pytest", "pytest_timeout")
DRAWING_PACKAGES = ("PIL",)  # for the demo faces, which a bundle brings
OLDEST_TORCH = (2, 11)
MIN_FREE_BYTES = 4_000_000_000  # two trials of 1 GB each, and three CUDA contexts


def require_packages() -> None:
    """Raise UserError if a package is missing, or torch is too old."""
    if find_spec("torch") is None:
        raise UserError(f"{sys.executable} has no torch; name another Python with PYTHON=...")
    needed = PACKAGES if BUNDLED_FACES.exists() else PACKAGES + DRAWING_PACKAGES
    if missing := [name for name in needed if find_spec(name) is None]:
        advice = "install them, or take a folder of `make gpu-bundle`, which brings them"
        raise UserError(f"{sys.executable} lacks {', '.join(missing)}; {advice}")
    import torch

    major, minor = (int(number) for number in torch.__version__.split(".")[:2])
    if (major, minor) < OLDEST_TORCH:
        wanted = ".".join(map(str, OLDEST_TORCH))
        raise UserError(f"torch {torch.__version__} is too old; install torch {wanted} or newer")


def require_gpu() -> None:
    """Raise UserError if there is no usable GPU, or too little of its memory is free."""
    import torch

    try:
        torch.cuda.init()  # type: ignore[no-untyped-call]
        free, total = torch.cuda.mem_get_info()
    except (RuntimeError, AssertionError) as error:
        reason = str(error).splitlines()[0].partition(". ")[0].rstrip(".")
        raise UserError(f"no NVIDIA GPU can be used: {reason}; {_advise(reason)}") from error
    if free < MIN_FREE_BYTES:
        sizes = f"{free / 1e9:.1f} of the GPU's {total / 1e9:.1f} GB are free"
        raise UserError(
            f"{sizes}, and the check needs {MIN_FREE_BYTES / 1e9:.0f} GB; end what else runs on it"
        )


def _advise(reason: str) -> str:
    if "too old" in reason:
        return "update the driver, or install a torch for an older CUDA"
    if "not compiled" in reason:
        return "install a torch that is built for CUDA"
    return "run the check on a machine with an NVIDIA GPU and its driver"


def describe_machine() -> dict[str, object]:
    """Return the GPU, its driver and the versions, as JSON values."""
    import torch

    properties = torch.cuda.get_device_properties(0)
    return {
        "when": time.strftime("%Y-%m-%d %H:%M:%S %z"),
        "code": _read_version(),
        "card": properties.name,
        "memory_gb": round(properties.total_memory / 1e9, 1),
        "driver": _read_driver_version(),
        "cuda": torch.version.cuda,
        "torch": torch.__version__,
        "python": platform.python_version(),
    }


def _read_version() -> str:
    if BUNDLED_VERSION.exists():
        return BUNDLED_VERSION.read_text().strip()
    try:
        return read_code_version()
    except PackageNotFoundError:  # a checkout that is not installed
        return "unknown"


def _read_driver_version() -> str:
    """Return the driver's version; torch knows only the newest CUDA that the driver supports."""
    command = ["nvidia-smi", "--query-gpu=driver_version", "--format=csv,noheader"]
    try:
        text = subprocess.run(command, capture_output=True, text=True, timeout=30).stdout
    except (OSError, subprocess.TimeoutExpired):
        text = ""
    found = re.search(r"\d+(\.\d+)+", text)
    return found[0] if found else "unknown"
