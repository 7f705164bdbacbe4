"""A trial as the study remembers it."""

from collections.abc import Sequence
from dataclasses import dataclass, field

from fer_tune.training.config import TrialConfig
from fer_tune.training.metrics import Ending, EpochResult, best_result


@dataclass
class TrialRecord:
    """One trial from its proposal to its end.

    number: 0 is the paper's configuration.
    name: for people; see `trial_name`.
    history: every epoch reported.
    ending: None while it runs.
    """

    number: int
    name: str
    config: TrialConfig
    history: list[EpochResult] = field(default_factory=list)
    ending: Ending | None = None
    error: str | None = None

    @property
    def is_over(self) -> bool:
        """Whether the trial will not go on when the study does."""
        return self.ending in ("finished", "stopped", "failed")

    def best(self, metric: str) -> EpochResult | None:
        """The epoch that scores the trial."""
        return best_result(self.history, metric)


def trial_name(number: int, config: TrialConfig, parameters: Sequence[str]) -> str:
    """Number and the first four of the parameters that the study varies."""
    values = (getattr(config, name) for name in parameters[:4])
    shown = (f"{value:.3g}" if isinstance(value, float) else str(value) for value in values)
    pairs = (f"{name}={value}" for name, value in zip(parameters, shown, strict=False))
    return " ".join([f"{number:03d}", *pairs])
