"""Where a trial computes, and in which precision."""

import ctypes
import gc
import platform

import torch

# Of glibc's malloc.h, for mallopt.
_M_TRIM_THRESHOLD, _M_MMAP_THRESHOLD = -1, -3


def pick_device(gpu_fraction: float = 1) -> torch.device:
    """The GPU that this process may use, else the CPU; either gives the same numbers twice.

    share: of the GPU's memory that the process may take, where it is less than all; asking for
        more raises torch.cuda.OutOfMemoryError here, not in the trial beside it. 0 is the CPU:
        Ray shows a GPU also to those who are to have none of it.
    """
    torch.backends.cudnn.deterministic = True
    if gpu_fraction and torch.cuda.is_available():
        gc.collect()  # CUDA graphs of an earlier trial of this process are held by cycles
        torch.cuda.set_per_process_memory_fraction(min(float(gpu_fraction), 1.0))
        return torch.device("cuda")
    _keep_freed_memory()
    return torch.device("cpu")


def _keep_freed_memory() -> None:
    """Have the process keep the memory of a step's tensors for those of the next.

    As it comes, glibc gives tensors this large back to the system each time, which then has to
    clear them page by page: a tenth of a training step.
    """
    if platform.libc_ver()[0] == "glibc":
        libc = ctypes.CDLL(None)
        libc.mallopt(_M_MMAP_THRESHOLD, 2**30)
        libc.mallopt(_M_TRIM_THRESHOLD, 2**31 - 1)


def use_autocast(device: torch.device) -> torch.autocast:
    """bfloat16 where the hardware multiplies it natively; float32 elsewhere.

    Emulated bfloat16 is slower than float32, so the instruction must be there. Nothing is cached:
    each weight is used once a pass, and a CUDA graph allows no cache.
    """
    enabled = has_bfloat16(device)
    return torch.autocast(device.type, torch.bfloat16, enabled=enabled, cache_enabled=False)


def has_bfloat16(device: torch.device) -> bool:
    """Whether the device multiplies bfloat16 natively."""
    if device.type == "cuda":
        return bool(torch.cuda.is_bf16_supported(including_emulation=False))
    capabilities = torch.cpu.get_capabilities()
    return any(capabilities.get(name, False) for name in ("amx_bf16", "avx512_bf16"))
