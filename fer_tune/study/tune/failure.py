"""What ends a trial before its time, as its worker tells it."""

import traceback
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

# As torch, cuDNN and cuBLAS tell of too little memory where it is no OutOfMemoryError.
_TOO_LITTLE = ("out of memory", "unable to find an engine", "ALLOC_FAILED")


def lacks_memory(error: Exception) -> bool:
    """Whether a GPU had too little memory. In a process that has torch."""
    import torch

    told = str(error)
    return isinstance(error, torch.OutOfMemoryError) or (
        isinstance(error, RuntimeError) and any(each in told for each in _TOO_LITTLE)
    )


def ends_worker(error: Exception) -> bool:
    """Whether the process can use its GPU no more, whatever it tries next."""
    import torch

    return isinstance(error, torch.AcceleratorError) and not lacks_memory(error)


@dataclass(frozen=True)
class Failure:
    """Reported by a worker in place of an epoch; a worker that dies reports nothing.

    kind: "error" is of this trial alone; "memory" is a GPU's that was too small for it; "storage"
        concerns every trial: nothing can be kept.
    error: the traceback.
    """

    kind: Literal["error", "memory", "storage"]
    error: str

    @classmethod
    def of(cls, error: Exception) -> "Failure":
        """Must be called where `error` is being handled, in a process that has torch."""
        told = "".join(traceback.format_exception(error)).strip()
        if lacks_memory(error):
            return cls("memory", told)
        return cls("storage" if isinstance(error, OSError) else "error", told)

    @property
    def line(self) -> str:
        """The last line of the traceback, which says what happened."""
        return self.error.splitlines()[-1]

    def may_pass(self, config: Mapping[str, Any]) -> bool:
        """Whether the trial deserves another try, with a GPU of its own.

        config: as `train_trial` takes it.
        """
        return self.kind == "memory" and 0 < config["gpus"] < 1
