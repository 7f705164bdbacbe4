"""Which trials go on, which wait and which stop: successive halving by the numbers of trials.

It knows nothing of Ray: who runs trials, or replays them, tells it of their epochs.
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
    """What decides in a study with these settings."""
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
    """The epochs at which trials are compared, below their full length."""
    levels, level = [], settings.grace
    while level < settings.epochs:
        levels.append(level)
        level *= settings.reduction
    return levels


class Asha:
    """Lets every trial go on to its full length; the base of what does not.

    To run a study by it, in whatever kind of time:

    - when a trial has ended an epoch, call `decide` and do as it says; a trial that is to "pause"
      or "stop" frees its slot;
    - when a slot is free, call `promote`. The trial that it names goes on where it was paused;
      where it names none, a new one may begin (`StudySearcher` asks this itself, on a cluster one
      trial ahead where nothing says how many run at once);
    - when no trial runs, none is named and no more are to begin, the study is over, and those
      in `paused` are stopped.

    What it says follows from the settings and from the calls, in their order. The paper's trial
    always goes on: it is what the others are compared with.

    pauses: whether it may say "pause".
    paused: the numbers of the trials that may go on later.
    brackets: the levels of each, in epochs, ascending. A trial is compared with those of its
        bracket alone.
    """

    can_pause = False

    def __init__(self, settings: StudySettings, brackets: Sequence[Sequence[int]]) -> None:
        self._epochs, self._seed, self._eta = settings.epochs, settings.seed, settings.reduction
        self._sign = 1 if metric_direction(settings.metric) == "max" else -1
        self._brackets = [[_Rung(level) for level in reversed(each)] for each in brackets]
        rungs = [rung for bracket in self._brackets for rung in bracket]
        self._highest_first = sorted(rungs, key=lambda each: each.level, reverse=True)
        self._waits: dict[int, _Rung] = {}  # where each paused trial does

    @property
    def paused(self) -> Set[int]:
        return self._waits.keys()

    def decide(self, number: int, epoch: int, value: float) -> Decision:
        """What becomes of a trial that has this value of the metric; at its full length, "stop".

        An epoch that was told before decides nothing.
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
        """The paused trial that goes on in a free slot; None where none is to."""
        number = self.find_promotable()
        if number is not None:
            self.remove_paused(number)
        return number

    def find_promotable(self) -> int | None:
        """What `promote` would name."""
        return None

    def remove_paused(self, number: int) -> None:
        """Note that a trial is not paused any more: it goes on, or is over."""
        if rung := self._waits.pop(number, None):
            rung.remove_paused(number)

    def _draw_bracket(self, number: int) -> "list[_Rung]":
        """Its rungs, the highest first.

        Drawn for each trial, with the chances that Hyperband's numbers of trials give (Li et al.
        2018, JMLR, algorithm 1), so that no trial need wait for a bracket to be full.
        """
        if len(self._brackets) == 1:
            return self._brackets[0]
        count = len(self._brackets)
        levels = [len(bracket) for bracket in self._brackets]
        trials = np.array([math.ceil(count / (each + 1) * self._eta**each) for each in levels])
        draw = np.random.default_rng([self._seed, number])
        return self._brackets[draw.choice(count, p=trials / trials.sum())]

    def _decide_at_rung(self, rung: "_Rung", number: int, value: float) -> Decision:
        """What becomes of a trial that has come to a rung; here and below, more is better."""
        return "continue"


class StoppingAsha(Asha):
    """ASHA that stops, once and for all, what is not among the best at a rung so far.

    Its decisions are those of Ray's ASHAScheduler, which looks at all values of a rung each time.
    """

    def _decide_at_rung(self, rung: "_Rung", number: int, value: float) -> Decision:
        cutoff = rung.quantile((1 - 1 / self._eta) * 100 / 100)  # rounded as Ray rounds it
        rung.add_value(number, value)
        return "stop" if value < cutoff else "continue"


class PromotionAsha(Asha):
    """ASHA that pauses at each rung, and resumes the best (Li et al. 2018, arXiv:1810.05934).

    As its algorithm 2: at each free slot, of the highest rung where one of the best 1/eta did not
    go on yet, the best such trial does; where there is none, a new one begins. A trial that would
    go on at once is not paused. With several brackets, an asynchronous Hyperband (section 3.2).
    """

    can_pause = True

    def _decide_at_rung(self, rung: "_Rung", number: int, value: float) -> Decision:
        rung.add_value(number, value)
        if math.isnan(value):
            return "stop"
        if number != BASELINE_TRIAL:
            rung.add_paused(number)
            self._waits[number] = rung
        if self.find_promotable() != number:
            return "pause"
        self.remove_paused(number)
        return "continue"

    def find_promotable(self) -> int | None:
        for rung in self._highest_first:
            number = rung.find_promotable(self._eta)
            if number is not None:
                return number
        return None


class _Rung:
    """What each trial had reached when it came to a level.

    values: by number, NaN among them.
    """

    def __init__(self, level: int) -> None:
        self.level = level
        self.values: dict[int, float] = {}
        self._order: list[tuple[float, int]] = []  # best first, the earlier of equal ones; no NaN
        self._waiting: list[tuple[float, int]] = []  # in the same order

    def add_value(self, number: int, value: float) -> None:
        self.values[number] = value
        if not math.isnan(value):
            insort(self._order, (-value, number))

    def add_paused(self, number: int) -> None:
        insort(self._waiting, (-self.values[number], number))

    def remove_paused(self, number: int) -> None:
        del self._waiting[bisect_left(self._waiting, (-self.values[number], number))]

    def find_promotable(self, eta: int) -> int | None:
        """The best of those that wait, if it is among the best 1/eta of all."""
        if not self._waiting:
            return None
        rank = bisect_left(self._order, self._waiting[0])
        return self._waiting[0][1] if rank < len(self.values) // eta else None

    def quantile(self, share: float) -> float:
        """As np.nanquantile of the values, to the last bit; NaN without any."""
        if not self._order:
            return math.nan
        last = len(self._order) - 1
        place = last * share
        below = math.floor(place)
        low, high = -self._order[last - below][0], -self._order[max(last - below - 1, 0)][0]
        part = place - below
        return low + (high - low) * part if part < 0.5 else high - (high - low) * (1 - part)
