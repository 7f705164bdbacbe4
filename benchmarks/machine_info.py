"""Hardware and software that the figures were measured on."""

import os
import platform
import time
from importlib.metadata import version
from pathlib import Path

from fer_tune.common.version import read_code_version

PACKAGES = ("torch", "torchvision", "ray", "optuna", "mlflow", "numpy", "scikit-learn")
# Flags of a processor that decide how fast it multiplies.
FLAGS = ("avx2", "avx512f", "avx512_bf16", "avx512_vnni", "amx_bf16", "amx_tile", "asimd", "bf16")


def describe_machine() -> dict[str, object]:
    """Return the machine, the versions and the commit, as JSON values."""
    import torch

    cpu = _read_processor()
    flags = cpu.get("flags", cpu.get("Features", "")).split()
    return {
        "when": time.strftime("%Y-%m-%d %H:%M:%S %z"),
        "commit": read_code_version(),
        "processor": cpu.get("model name", platform.machine()),
        "flags": [flag for flag in FLAGS if flag in flags],
        "cores": len(os.sched_getaffinity(0)),
        "memory_gb": round(os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") / 1e9, 1),
        "gpus": [torch.cuda.get_device_name(i) for i in range(torch.cuda.device_count())],
        "system": platform.platform(),
        "versions": {"python": platform.python_version()}
        | {name: version(name) for name in PACKAGES},
    }


def _read_processor() -> dict[str, str]:
    try:
        first = Path("/proc/cpuinfo").read_text().split("\n\n")[0]
    except OSError:
        return {}
    pairs = (line.partition(":") for line in first.splitlines())
    return {name.strip(): value.strip() for name, _, value in pairs}
