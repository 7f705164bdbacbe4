"""Failures of a trial that its worker reports."""

import traceback
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from fer_tune.trial.gpu_errors import OUT_OF_MEMORY, is_out_of_memory


@dataclass(frozen=True)
class TrialFailure:
    """A failure that a worker reports instead of an epoch. A worker that dies reports none.

    kind: "error" of this trial; "memory" if its GPU had too little; "storage" if nothing can be
        stored, which concerns all trials.
    error: the traceback; if the GPU had too little memory, its last line says what to change.
    """

    kind: Literal["error", "memory", "storage"]
    error: str

    @classmethod
    def from_error(cls, error: Exception) -> "TrialFailure":
        """Return the failure of a trial that raised `error`. Imports torch."""
        text = "".join(traceback.format_exception(error)).strip()
        if is_out_of_memory(error):
            return cls("memory", f"{text}\n{OUT_OF_MEMORY}")
        return cls("storage" if isinstance(error, OSError) else "error", text)

    @property
    def last_line(self) -> str:
        """The last line, with the message."""
        return self.error.splitlines()[-1]

    def is_retryable(self, config: Mapping[str, Any]) -> bool:
        """Return whether the trial is tried again with a whole GPU.

        config: of the trial, as `train_trial` receives it.
        """
        return self.kind == "memory" and 0 < config["gpus"] < 1
