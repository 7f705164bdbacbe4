"""What ends a trial before its time, as its worker tells it."""

import traceback
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal


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
        import torch

        told = "".join(traceback.format_exception(error)).strip()
        if isinstance(error, torch.OutOfMemoryError):
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
