"""What happens in a study, as plain data: written to its journal, told to whoever watches it."""

import time
from typing import Annotated, Literal, Protocol

from pydantic import BaseModel, ConfigDict, Field

from fer_tune.scoring.metrics import EpochResult
from fer_tune.trial_config import TrialConfig

# How a trial or a study ends. What was "interrupted" goes on when its study is resumed; a trial
# that is "paused" may go on as the study does, and is "stopped" at the latest when that is over.
Ending = Literal["finished", "stopped", "paused", "failed", "interrupted"]
RESUMABLE_ENDINGS: tuple[Ending, ...] = ("paused", "interrupted")

# The recorded ending of a trial, as people read it; None is a trial that has not ended.
STATUS_WORDS: dict[Ending | None, str] = {
    "finished": "completed",
    "stopped": "pruned",
    "paused": "paused",
    "failed": "failed",
    "interrupted": "interrupted",
    None: "running",
}


def current_time_ms() -> int:
    """Milliseconds since 1970, as MLflow counts time."""
    return time.time_ns() // 1_000_000


class _Event(BaseModel):
    model_config = ConfigDict(frozen=True)

    number: int
    time: int = Field(default_factory=current_time_ms)


class TrialStarted(_Event):
    """A trial begins, or goes on.

    number: of the trial in its study, here and below; 0 is the paper's configuration.
    name: for people.
    absent: parameters of the space that this trial does not have; `config` has the paper's values.
    """

    kind: Literal["started"] = "started"
    name: str
    config: TrialConfig
    absent: tuple[str, ...] = ()


class EpochEnded(_Event):
    """A trial has reported an epoch."""

    kind: Literal["epoch"] = "epoch"
    result: EpochResult


class TrialRemarked(_Event):
    """Something happened to a trial that people should know, and that does not end it."""

    kind: Literal["remarked"] = "remarked"
    remark: str


class TrialEnded(_Event):
    """A trial ends.

    error: the traceback of what broke it.
    """

    kind: Literal["ended"] = "ended"
    ending: Ending
    error: str | None = None


Event = Annotated[
    TrialStarted | EpochEnded | TrialRemarked | TrialEnded, Field(discriminator="kind")
]


class Observer(Protocol):
    """Who wants to know what happens in a study: the journal, MLflow, the terminal.

    Told in the order of events, by the driver's thread, which waits: return soon.
    """

    def on_event(self, event: Event) -> None: ...
