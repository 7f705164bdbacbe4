"""Study in simulated time: epochs take their recorded seconds."""

import heapq
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal, Protocol

from benchmarks.replay.curve_predictor import PredictedCurve

METRIC = "val/macro_f1"


class SearcherProtocol(Protocol):
    """Any of Ray Tune's search algorithms."""

    def suggest(self, trial_id: str) -> dict[str, Any] | str | None: ...
    def on_trial_result(self, trial_id: str, result: dict[str, Any]) -> None: ...
    def on_trial_complete(
        self, trial_id: str, result: dict[str, Any] | None = None, error: bool = False
    ) -> None: ...


class SchedulerProtocol(Protocol):
    """Decides whether a trial continues: see `fer_tune.study.asha.Asha`."""

    def decide(
        self, number: int, epoch: int, value: float
    ) -> Literal["continue", "pause", "stop"]: ...


@dataclass(frozen=True)
class SimulatedEpoch:
    """Ended epoch of a trial.

    time: seconds since the study's start.
    """

    time: float
    trial: int
    epoch: int
    score: float


class StudySimulator:
    """Simulates trials on several workers, and calls searcher and scheduler as Ray does.

    The order of calls is Ray's (`TuneController._process_trial_result`): the scheduler decides
    first. Then the searcher receives the result, or the trial's end if the trial does not continue.
    For Ray, a paused trial has ended. The searcher suggests its number again to resume it.
    """

    def __init__(
        self,
        searcher: SearcherProtocol,
        scheduler: SchedulerProtocol,
        predict_curve: Callable[[dict[str, Any]], PredictedCurve],
        workers: int,
    ) -> None:
        self._searcher, self._scheduler, self._predict_curve = searcher, scheduler, predict_curve
        self._workers = workers
        self._curves: dict[int, PredictedCurve] = {}
        self._epochs: dict[int, int] = {}  # ended epochs of each trial
        self._suggestions = 0  # Ray has an id for each suggestion
        self._ids: dict[int, str] = {}  # the newest id of each trial
        self._running: list[tuple[float, int]] = []  # a heap: end of the epoch, trial

    def simulate_epochs(self, epochs: int) -> list[SimulatedEpoch]:
        """Simulate the first `epochs` epochs over all trials; return them in the order they end."""
        ended: list[SimulatedEpoch] = []
        for _ in range(self._workers):
            self._start_trial(0.0)
        while self._running and len(ended) < epochs:
            now, number = heapq.heappop(self._running)
            ended.append(self._end_epoch(now, number))
        return ended

    def _end_epoch(self, now: float, number: int) -> SimulatedEpoch:
        epoch = self._epochs[number] = self._epochs[number] + 1
        score = self._curves[number].scores[epoch - 1]
        decision = self._scheduler.decide(number, epoch, score)
        result = {METRIC: score, "epoch": epoch, "training_iteration": epoch}
        if decision == "continue":
            self._searcher.on_trial_result(self._ids[number], result)
            self._schedule_epoch(now, number)
        else:
            self._searcher.on_trial_complete(self._ids[number], result)
            self._start_trial(now)
        return SimulatedEpoch(now, number, epoch, score)

    def _start_trial(self, now: float) -> None:
        """Start the suggested trial on a free worker; it is new or was paused."""
        self._suggestions += 1
        config = self._searcher.suggest(trial_id := str(self._suggestions))
        if not isinstance(config, dict):
            return
        number = config.get("number", self._suggestions)
        self._ids[number] = trial_id
        if number not in self._curves:
            self._curves[number] = self._predict_curve(config.get("trial", config))
            self._epochs[number] = 0
        self._schedule_epoch(now, number)

    def _schedule_epoch(self, now: float, number: int) -> None:
        seconds = self._curves[number].seconds[self._epochs[number]]
        heapq.heappush(self._running, (now + seconds, number))
