"""The device of a trial, and the precision in which it computes."""

import ctypes
import gc
import platform

import torch

# Options of mallopt, from glibc's malloc.h.
_M_TRIM_THRESHOLD, _M_MMAP_THRESHOLD = -1, -3


def pick_device(gpu_fraction: float = 1) -> torch.device:
    """Return the GPU that this process may use, or else the CPU; both compute reproducibly.

    gpu_fraction: fraction of the GPU's memory that this process may take. With more, it raises
        torch.cuda.OutOfMemoryError itself, not a trial beside it. 0 means the CPU: Ray shows a GPU
        to processes without a share too.
    """
    torch.backends.cudnn.deterministic = True
    if gpu_fraction and torch.cuda.is_available():
        gc.collect()  # reference cycles keep CUDA graphs of this process's earlier trials
        torch.cuda.set_per_process_memory_fraction(min(float(gpu_fraction), 1.0))
        return torch.device("cuda")
    _keep_freed_memory()
    return torch.device("cpu")


def _keep_freed_memory() -> None:
    """Make the process keep the memory of freed tensors for the next step.

    By default, glibc returns tensors of this size to the system, which clears their pages each
    time. That takes a tenth of a training step.
    """
    if platform.libc_ver()[0] == "glibc":
        libc = ctypes.CDLL(None)
        libc.mallopt(_M_MMAP_THRESHOLD, 2**30)
        libc.mallopt(_M_TRIM_THRESHOLD, 2**31 - 1)


def use_autocast(device: torch.device) -> torch.autocast:
    """Return a context of bfloat16 if the hardware multiplies it natively, else of float32.

    Emulated bfloat16 is slower than float32. Weights are not cached: each is used once a pass, and
    a CUDA graph allows no cache.
    """
    enabled = has_bfloat16(device)
    return torch.autocast(device.type, torch.bfloat16, enabled=enabled, cache_enabled=False)


def has_bfloat16(device: torch.device) -> bool:
    """Return whether the device multiplies bfloat16 natively."""
    if device.type == "cuda":
        return bool(torch.cuda.is_bf16_supported(including_emulation=False))
    capabilities = torch.cpu.get_capabilities()
    return any(capabilities.get(name, False) for name in ("amx_bf16", "avx512_bf16"))
