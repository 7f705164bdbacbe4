"""A study in simulated time: trials take the seconds that were recorded."""

import heapq
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal, Protocol

from benchmarks.replay.curve_table import PredictedCurve

METRIC = "val/macro_f1"


class SearcherProtocol(Protocol):
    """What proposes trials: any of Ray Tune's search algorithms."""

    def suggest(self, trial_id: str) -> dict[str, Any] | str | None: ...
    def on_trial_result(self, trial_id: str, result: dict[str, Any]) -> None: ...
    def on_trial_complete(
        self, trial_id: str, result: dict[str, Any] | None = None, error: bool = False
    ) -> None: ...


class SchedulerProtocol(Protocol):
    """What decides which trials go on: see `fer_tune.study.asha.Rungs`."""

    def decide(
        self, number: int, epoch: int, value: float
    ) -> Literal["continue", "pause", "stop"]: ...


@dataclass(frozen=True)
class SimulatedEpoch:
    """An epoch that a trial has ended.

    time: in seconds since the study began.
    """

    time: float
    trial: int
    epoch: int
    score: float


class StudySimulator:
    """Runs trials on `workers` workers, and tells `search` and `judge` what Ray would tell them.

    The order of calls is Ray's (`TuneController._process_trial_result`): the judge first; the
    search hears of a result unless the trial stops at it, and then of its end. To Ray, a trial that
    is paused has ended; the search gives its number again when it is to go on.
    """

    def __init__(
        self,
        searcher: SearcherProtocol,
        scheduler: SchedulerProtocol,
        predict_curve: Callable[[dict[str, Any]], PredictedCurve],
        workers: int,
    ) -> None:
        self._search, self._judge, self._answer = searcher, scheduler, predict_curve
        self._workers = workers
        self._answers: dict[int, PredictedCurve] = {}
        self._epochs: dict[int, int] = {}  # that a trial has ended
        self._given = 0  # how often the search gave a trial; Ray has an id for each
        self._ids: dict[int, str] = {}  # the last of each trial
        # When the epoch that is being trained ends, and of which trial.
        self._running: list[tuple[float, int]] = []

    def simulate_epochs(self, epochs: int) -> list[SimulatedEpoch]:
        """The first `epochs` epochs of the study, of all trials together, as they end."""
        ended: list[SimulatedEpoch] = []
        for _ in range(self._workers):
            self._start_trial(0.0)
        while self._running and len(ended) < epochs:
            now, number = heapq.heappop(self._running)
            ended.append(self._end_epoch(now, number))
        return ended

    def _end_epoch(self, now: float, number: int) -> SimulatedEpoch:
        epoch = self._epochs[number] = self._epochs[number] + 1
        score = self._answers[number].scores[epoch - 1]
        decision = self._judge.decide(number, epoch, score)
        result = {METRIC: score, "epoch": epoch, "training_iteration": epoch}
        if decision == "continue":
            self._search.on_trial_result(self._ids[number], result)
            self._schedule_epoch(now, number)
        else:
            self._search.on_trial_complete(self._ids[number], result)
            self._start_trial(now)
        return SimulatedEpoch(now, number, epoch, score)

    def _start_trial(self, now: float) -> None:
        """Give a worker that is free what the search gives: a new trial, or one that was paused."""
        self._given += 1
        given = self._search.suggest(name := str(self._given))
        if not isinstance(given, dict):
            return
        number = given.get("number", self._given)
        self._ids[number] = name
        if number not in self._answers:
            self._answers[number] = self._answer(given.get("trial", given))
            self._epochs[number] = 0
        self._schedule_epoch(now, number)

    def _schedule_epoch(self, now: float, number: int) -> None:
        seconds = self._answers[number].seconds[self._epochs[number]]
        heapq.heappush(self._running, (now + seconds, number))
