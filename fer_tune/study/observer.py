"""Who is told what happens in a study."""

from typing import Protocol

from fer_tune.training.config import TrialConfig
from fer_tune.training.metrics import Ending, EpochResult


class Observer(Protocol):
    """Who wants to know what happens in a study: the journal, the tracker, the terminal.

    Called in order, from the driver's thread, which waits for each: return soon.
    """

    def trial_started(self, number: int, name: str, config: TrialConfig) -> None: ...

    def epoch_ended(self, number: int, result: EpochResult) -> None: ...

    def trial_ended(self, number: int, ending: Ending, error: str | None) -> None: ...
