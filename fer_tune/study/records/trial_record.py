"""A trial as the study remembers it."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from itertools import islice

from fer_tune.events import RESUMABLE_ENDINGS, Ending, EpochEnded, Event, TrialEnded, TrialStarted
from fer_tune.scoring.metrics import EpochResult, find_best_epoch
from fer_tune.trial_config import TrialConfig

# Every study's first trial: the paper's own configuration.
BASELINE_TRIAL = 0


@dataclass
class TrialRecord:
    """One trial from its proposal to its end.

    number: 0 is the paper's configuration.
    name: for people; see `format_trial_name`.
    history: every epoch reported, in order, each once.
    ending: None while it runs.
    """

    number: int
    name: str
    config: TrialConfig
    history: list[EpochResult] = field(default_factory=list)
    ending: Ending | None = None
    error: str | None = None

    def apply_event(self, event: Event) -> None:
        """Become what the trial is after `event`."""
        match event:
            case TrialStarted():
                self.ending = self.error = None
            case EpochEnded(result=result):
                # Of a trial that went through an epoch twice, the first stands, as it does with all
                # who were told of it: rungs, the sampler and MLflow cannot take it back.
                if not self.history or result.epoch > self.history[-1].epoch:
                    self.history.append(result)
            case TrialEnded(ending=ending, error=error):
                self.ending, self.error = ending, error

    @property
    def has_final_status(self) -> bool:
        """Whether the trial will not go on when the study does."""
        return self.ending is not None and self.ending not in RESUMABLE_ENDINGS

    def find_best_epoch(self, metric: str) -> EpochResult | None:
        """The epoch that scores the trial."""
        return find_best_epoch(self.history, metric)


def format_trial_name(number: int, point: Mapping[str, object]) -> str:
    """Number and the first four of the parameters that the trial has."""
    return f"{number:03d} {format_parameters(dict(islice(point.items(), 4)))}"


def format_parameters(point: Mapping[str, object]) -> str:
    """`learning_rate=0.0001 depth=3`, for people."""
    return " ".join(f"{name}={format_value(value)}" for name, value in point.items())


def format_value(value: object) -> str:
    """A value with three figures."""
    return f"{value:.3g}" if isinstance(value, float) else str(value)
