"""Speed of a large matrix product: what the hardware can multiply at most."""

import time
from statistics import median

import torch

from fer_tune.trial.device import pick_device


def measure_matmul_flops(precision: str, side: int = 2048) -> float:
    """Return the operations a second of a square product, with the threads of training.

    precision: "float32" or "bfloat16".
    side: of the matrices; a GPU needs larger ones to be busy.
    """
    device, kind = pick_device(), getattr(torch, precision)
    left, right = (torch.randn(side, side, device=device).to(kind) for _ in range(2))
    seconds = []
    for _ in range(6):
        began = time.perf_counter()
        product = left @ right
        float(product[0, 0])  # waits for a GPU
        seconds.append(time.perf_counter() - began)
    return float(2 * side**3 / median(seconds[1:]))
