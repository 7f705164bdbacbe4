"""What ends a trial before its time, as its worker tells it."""

import traceback
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

# As torch, cuDNN and cuBLAS tell of too little memory where it is no OutOfMemoryError.
_OUT_OF_MEMORY_MESSAGES = ("out of memory", "unable to find an engine", "ALLOC_FAILED")


def is_out_of_memory(error: Exception) -> bool:
    """Whether a GPU had too little memory. In a process that has torch."""
    import torch

    told = str(error)
    return isinstance(error, torch.OutOfMemoryError) or (
        isinstance(error, RuntimeError) and any(each in told for each in _OUT_OF_MEMORY_MESSAGES)
    )


def is_fatal_for_worker(error: Exception) -> bool:
    """Whether the process can use its GPU no more, whatever it tries next."""
    import torch

    return isinstance(error, torch.AcceleratorError) and not is_out_of_memory(error)


@dataclass(frozen=True)
class TrialFailure:
    """Reported by a worker in place of an epoch; a worker that dies reports nothing.

    kind: "error" is of this trial alone; "memory" is a GPU's that was too small for it; "storage"
        concerns every trial: nothing can be kept.
    error: the traceback.
    """

    kind: Literal["error", "memory", "storage"]
    error: str

    @classmethod
    def from_error(cls, error: Exception) -> "TrialFailure":
        """Must be called where `error` is being handled, in a process that has torch."""
        told = "".join(traceback.format_exception(error)).strip()
        if is_out_of_memory(error):
            return cls("memory", told)
        return cls("storage" if isinstance(error, OSError) else "error", told)

    @property
    def last_line(self) -> str:
        """The last line of the traceback, which says what happened."""
        return self.error.splitlines()[-1]

    def is_retryable(self, config: Mapping[str, Any]) -> bool:
        """Whether the trial deserves another try, with a GPU of its own.

        config: as `train_trial` takes it.
        """
        return self.kind == "memory" and 0 < config["gpus"] < 1
