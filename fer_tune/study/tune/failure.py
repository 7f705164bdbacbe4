"""Failures of a trial that its worker reports."""

import traceback
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

# Of torch, cuDNN and cuBLAS, if they raise no OutOfMemoryError.
_OUT_OF_MEMORY_MESSAGES = ("out of memory", "unable to find an engine", "ALLOC_FAILED")


def is_out_of_memory(error: Exception) -> bool:
    """Return whether a GPU had too little memory. Imports torch."""
    import torch

    if isinstance(error, torch.OutOfMemoryError):
        return True
    messages = _OUT_OF_MEMORY_MESSAGES
    return isinstance(error, RuntimeError) and any(text in str(error) for text in messages)


def is_fatal_for_worker(error: Exception) -> bool:
    """Return whether this process can no longer use its GPU. Imports torch."""
    import torch

    return isinstance(error, torch.AcceleratorError) and not is_out_of_memory(error)


@dataclass(frozen=True)
class TrialFailure:
    """A failure that a worker reports instead of an epoch. A worker that dies reports none.

    kind: "error" of this trial; "memory" if its GPU had too little; "storage" if nothing can be
        stored, which concerns all trials.
    error: the traceback.
    """

    kind: Literal["error", "memory", "storage"]
    error: str

    @classmethod
    def from_error(cls, error: Exception) -> "TrialFailure":
        """Return the failure of a trial that raised `error`. Imports torch."""
        text = "".join(traceback.format_exception(error)).strip()
        if is_out_of_memory(error):
            return cls("memory", text)
        return cls("storage" if isinstance(error, OSError) else "error", text)

    @property
    def last_line(self) -> str:
        """The last line of the traceback, with the message."""
        return self.error.splitlines()[-1]

    def is_retryable(self, config: Mapping[str, Any]) -> bool:
        """Return whether the trial is tried again with a whole GPU.

        config: of the trial, as `train_trial` receives it.
        """
        return self.kind == "memory" and 0 < config["gpus"] < 1
