"""Events of a study, as plain data: the event log stores them, observers receive them."""

import time
from typing import Annotated, Literal, Protocol

from pydantic import BaseModel, ConfigDict, Field

from fer_tune.scoring.metrics import EpochResult
from fer_tune.trial_config import TrialConfig

# How a trial or a study ends, as records have it. An interrupted trial continues when its study is
# resumed. A paused trial may continue while the study runs; it is stopped (pruned) at its end.
Ending = Literal["finished", "stopped", "paused", "failed", "interrupted"]
RESUMABLE_ENDINGS: tuple[Ending, ...] = ("paused", "interrupted")

# The words that people read for them. None: the trial has not ended.
STATUS_WORDS: dict[Ending | None, str] = {
    "finished": "completed",
    "stopped": "pruned",
    "paused": "paused",
    "failed": "failed",
    "interrupted": "interrupted",
    None: "running",
}


def current_time_ms() -> int:
    """Return the milliseconds since 1970, the time stamps of MLflow."""
    return time.time_ns() // 1_000_000


class _Event(BaseModel):
    model_config = ConfigDict(frozen=True)

    number: int
    time: int = Field(default_factory=current_time_ms)


class TrialStarted(_Event):
    """The start of a trial, or its resumption.

    number: the trial's number in its study, in all events; 0 is the baseline.
    name: for people.
    config: all hyperparameters.
    absent: parameters of the space that the trial lacks; `config` has their baseline values.
    faces_per_epoch, steps_per_epoch: faces and training steps of an epoch; None in older records.
    seed_number: the number from which the seed of its training follows, in an ablation and in a
        repeat; None if this is the trial's own number.
    repeat_of: number of the finalist that this repeats with a further seed; None for a trial.
    """

    kind: Literal["started"] = "started"
    name: str
    config: TrialConfig
    absent: tuple[str, ...] = ()
    faces_per_epoch: int | None = None
    steps_per_epoch: int | None = None
    seed_number: int | None = None
    # Left out of the records of trials, so that a study without finalists has the same as before.
    repeat_of: int | None = Field(default=None, exclude_if=lambda number: number is None)


class EpochEnded(_Event):
    """The result of an epoch of a trial."""

    kind: Literal["epoch"] = "epoch"
    result: EpochResult


class TrialRemarked(_Event):
    """A remark about a trial for people, which does not end the trial."""

    kind: Literal["remarked"] = "remarked"
    remark: str


class TrialEnded(_Event):
    """The end of a trial.

    error: the traceback, if the trial failed.
    """

    kind: Literal["ended"] = "ended"
    ending: Ending
    error: str | None = None


Event = Annotated[
    TrialStarted | EpochEnded | TrialRemarked | TrialEnded, Field(discriminator="kind")
]


class Observer(Protocol):
    """A receiver of a study's events: the event log, MLflow, the terminal.

    The driver's thread calls it with each event, in order, and waits, so it must return soon.
    """

    def on_event(self, event: Event) -> None: ...
