"""Errors of a GPU. Importing this module does not import torch."""

from collections.abc import Iterator
from contextlib import contextmanager

from fer_tune.common.errors import UserError

# Parts of the messages of torch, cuDNN and cuBLAS.
_OUT_OF_MEMORY_MESSAGES = ("out of memory", "unable to find an engine", "ALLOC_FAILED")

OUT_OF_MEMORY = (
    "the GPU has too little free memory for this network; choose a smaller batch_size, width or "
    "depth, or end what else runs on it"
)


def is_out_of_memory(error: Exception) -> bool:
    """Return whether a GPU had too little memory."""
    is_of_torch = isinstance(error, RuntimeError)
    return is_of_torch and any(text in str(error) for text in _OUT_OF_MEMORY_MESSAGES)


def is_fatal_for_worker(error: Exception) -> bool:
    """Return whether this process can no longer use its GPU. Imports torch."""
    import torch

    return isinstance(error, torch.AcceleratorError) and not is_out_of_memory(error)


@contextmanager
def explain_out_of_memory() -> Iterator[None]:
    """Raise UserError, with what to change, if a GPU has too little memory."""
    try:
        yield
    except RuntimeError as error:
        if not is_out_of_memory(error):
            raise
        raise UserError(OUT_OF_MEMORY) from error
