"""ASHA and asynchronous Hyperband: which trials continue, pause or stop, by their numbers.

Nothing in this module knows Ray: the scheduler of a study and the benchmarks' simulator call it.
"""

import math
from bisect import bisect_left, insort
from collections.abc import Sequence, Set
from typing import Literal

import numpy as np

from fer_tune.scoring.metrics import metric_direction
from fer_tune.study.records.settings import StudySettings
from fer_tune.study.records.trial_record import BASELINE_TRIAL

Decision = Literal["continue", "pause", "stop"]


def make_asha(settings: StudySettings) -> "Asha":
    """Return the algorithm that the study's settings name."""
    levels = _list_rung_epochs(settings)
    match settings.scheduler:
        case "asha":
            return StoppingAsha(settings, [levels])
        case "asha-promotion":
            return PromotionAsha(settings, [levels])
        case "hyperband":
            brackets = [levels[first:] for first in range(len(levels) + 1)]
            return PromotionAsha(settings, brackets)
        case "none":
            return Asha(settings, [[]])


def _list_rung_epochs(settings: StudySettings) -> list[int]:
    levels, level = [], settings.grace
    while level < settings.epochs:
        levels.append(level)
        level *= settings.reduction
    return levels


class Asha:
    """The base class: every trial continues to its last epoch.

    How to run a study with it:

    - When a trial ends an epoch, call `decide`. A trial that has to "pause" or "stop" frees its
      slot.
    - When a slot is free, call `promote`. The trial that it returns resumes. If it returns None, a
      new trial may start. (`StudySearcher` calls `promote`. On a cluster without `--concurrent` it
      calls one trial early.)
    - When no trial runs, `promote` returns None and all trials have started, the study is done.
      Trials in `paused` are stopped.

    The answers depend only on the settings and on the order of the calls. The baseline always
    continues, as all trials are compared with it.

    can_pause: whether `decide` may return "pause".
    paused: numbers of the paused trials.
    brackets: epochs of the rungs of each bracket, ascending. A trial is compared only with trials
        of its bracket.
    """

    can_pause = False

    def __init__(self, settings: StudySettings, brackets: Sequence[Sequence[int]]) -> None:
        self._epochs, self._seed, self._eta = settings.epochs, settings.seed, settings.reduction
        self._sign = 1 if metric_direction(settings.metric) == "max" else -1
        self._brackets = [[_Rung(level) for level in reversed(levels)] for levels in brackets]
        rungs = [rung for bracket in self._brackets for rung in bracket]
        self._highest_first = sorted(rungs, key=lambda rung: rung.level, reverse=True)
        self._rung_by_paused: dict[int, _Rung] = {}

    @property
    def paused(self) -> Set[int]:
        return self._rung_by_paused.keys()

    def decide(self, number: int, epoch: int, value: float) -> Decision:
        """Return what a trial does after an epoch; after its last epoch always "stop".

        A repeated epoch changes nothing.

        value: the metric in this epoch.
        """
        self.remove_paused(number)
        if epoch >= self._epochs:
            return "stop"
        for rung in self._draw_bracket(number):
            if epoch >= rung.level and number not in rung.values:
                decision = self._decide_at_rung(rung, number, self._sign * value)
                return "continue" if number == BASELINE_TRIAL else decision
        return "continue"

    def promote(self) -> int | None:
        """Return the paused trial that resumes in a free slot, if any, and mark it as running."""
        number = self.find_promotable()
        if number is not None:
            self.remove_paused(number)
        return number

    def find_promotable(self) -> int | None:
        """Return the trial that `promote` would return."""
        return None

    def remove_paused(self, number: int) -> None:
        """Mark a trial as no longer paused: it resumes, or has ended."""
        if rung := self._rung_by_paused.pop(number, None):
            rung.remove_paused(number)

    def _draw_bracket(self, number: int) -> "list[_Rung]":
        """Return the rungs of a trial's bracket, the highest first.

        Each trial draws its bracket with the probabilities that Hyperband's numbers of trials give
        (Li et al. 2018, JMLR, algorithm 1). No trial has to wait until a bracket is full.
        """
        if (count := len(self._brackets)) == 1:
            return self._brackets[0]
        rungs = [len(bracket) for bracket in self._brackets]
        trials = np.array([math.ceil(count / (n + 1) * self._eta**n) for n in rungs])
        rng = np.random.default_rng([self._seed, number])
        return self._brackets[rng.choice(count, p=trials / trials.sum())]

    def _decide_at_rung(self, rung: "_Rung", number: int, value: float) -> Decision:
        """Return what a trial does at a rung. Here and in `_Rung`, larger values are better."""
        return "continue"


class StoppingAsha(Asha):
    """ASHA that stops a trial if it is not among the best 1/eta of the rung so far.

    It decides as Ray's ASHAScheduler does.
    """

    def _decide_at_rung(self, rung: "_Rung", number: int, value: float) -> Decision:
        values = [each for each in rung.values.values() if not math.isnan(each)]
        share = (1 - 1 / self._eta) * 100 / 100  # rounded as Ray rounds it
        cutoff = np.quantile(values, share) if values else math.nan
        rung.add_value(number, value)
        return "stop" if value < cutoff else "continue"


class PromotionAsha(Asha):
    """ASHA that pauses trials at each rung and resumes the best (Li et al. 2018, arXiv:1810.05934).

    As in algorithm 2, a paused trial can resume if it is among the best 1/eta of its rung. A free
    slot resumes the best such trial of the highest rung; without one, a new trial starts. A trial
    that would resume at once is not paused. With several brackets, this is asynchronous Hyperband
    (section 3.2).
    """

    can_pause = True

    def _decide_at_rung(self, rung: "_Rung", number: int, value: float) -> Decision:
        rung.add_value(number, value)
        if math.isnan(value):
            return "stop"
        if number != BASELINE_TRIAL:
            insort(rung.paused, (-rung.values[number], number))
            self._rung_by_paused[number] = rung
        if self.find_promotable() != number:
            return "pause"
        self.remove_paused(number)
        return "continue"

    def find_promotable(self) -> int | None:
        numbers = (rung.find_promotable(self._eta) for rung in self._highest_first)
        return next((number for number in numbers if number is not None), None)


class _Rung:
    """The values of the trials that have reached a rung.

    values: by the trial's number; may be NaN.
    """

    def __init__(self, level: int) -> None:
        self.level = level
        self.values: dict[int, float] = {}
        # Best first; of equal values, the smaller number first. Without NaN.
        self._order: list[tuple[float, int]] = []
        self.paused: list[tuple[float, int]] = []

    def add_value(self, number: int, value: float) -> None:
        self.values[number] = value
        if not math.isnan(value):
            insort(self._order, (-value, number))

    def remove_paused(self, number: int) -> None:
        del self.paused[bisect_left(self.paused, (-self.values[number], number))]

    def find_promotable(self, eta: int) -> int | None:
        """Return the best paused trial, if it is among the best 1/eta of the rung."""
        if not self.paused:
            return None
        rank = bisect_left(self._order, self.paused[0])
        return self.paused[0][1] if rank < len(self.values) // eta else None
