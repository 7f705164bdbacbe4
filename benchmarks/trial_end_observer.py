"""An observer of a study: when its trials end, and how much memory the driver uses then."""

import time
from dataclasses import dataclass, field

from benchmarks.processes import read_process_memory
from fer_tune.events import Event, TrialEnded

MEMORY_INTERVAL = 20  # trials between two measurements of the driver's memory


@dataclass
class TrialEndObserver:
    """Observer of a study that records when trials end, and the driver's memory.

    end_times: seconds since the study's start, one value for each trial.
    memory_by_trials: the driver's own bytes (USS) by the number of ended trials.
    """

    start_time: float = field(default_factory=time.monotonic)
    end_times: list[float] = field(default_factory=list)
    memory_by_trials: dict[int, int] = field(default_factory=dict)

    def on_event(self, event: Event) -> None:
        if isinstance(event, TrialEnded):
            self.end_times.append(time.monotonic() - self.start_time)
            if len(self.end_times) % MEMORY_INTERVAL == 0:
                self.memory_by_trials[len(self.end_times)] = measure_own_memory()

    def measure_ms_per_trial(self, first: int, last: int) -> float:
        """Return the milliseconds a trial from the `first` to the `last` ended trial."""
        return (self.end_times[last - 1] - self.end_times[first - 1]) / (last - first) * 1e3


def measure_own_memory() -> int:
    """Return the bytes that only this process uses; Linux only."""
    return sum(
        size for kind, size in read_process_memory("self").items() if kind.startswith("Private_")
    )
