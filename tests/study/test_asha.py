"""ASHA without Ray, compared with Ray's ASHAScheduler and with the published algorithms."""

import math
import random
from collections import Counter
from types import SimpleNamespace

import pytest
from ray.tune.schedulers import ASHAScheduler

from fer_tune.defaults import SchedulerName
from fer_tune.scoring.metrics import metric_direction
from fer_tune.study.asha import Asha, make_asha
from fer_tune.study.records.settings import StudySettings

METRICS = ["val/macro_f1", "val/loss"]


def _make(settings: StudySettings, scheduler: SchedulerName, **changes: object) -> Asha:
    return make_asha(settings.model_copy(update={"scheduler": scheduler, **changes}))


def _value(draw: random.Random) -> float:
    """Return a value; sometimes a frequent one, NaN or an infinite one."""
    odd = draw.choice([math.nan, math.inf, -math.inf, 0.0, 0.5])
    return odd if draw.random() < 0.2 else draw.random()


@pytest.mark.filterwarnings("ignore::RuntimeWarning")  # NumPy's, about slices with NaN only
@pytest.mark.parametrize("metric", METRICS)
@pytest.mark.parametrize("seed", range(30))
def test_stopping_asha_decides_as_rays_scheduler(
    settings: StudySettings, metric: str, seed: int
) -> None:
    draw = random.Random(seed)
    epochs, grace, reduction = draw.randint(1, 40), draw.randint(1, 5), draw.randint(2, 5)
    ours = _make(settings, "asha", metric=metric, epochs=epochs, grace=grace, reduction=reduction)
    rays = ASHAScheduler(
        "epoch",
        metric,
        metric_direction(metric),
        epochs,
        min(grace, epochs),
        reduction_factor=reduction,
    )
    reached: dict[int, int] = {}
    for number in range(1, 200):
        rays.on_trial_add(None, SimpleNamespace(trial_id=str(number)))
        reached[number] = 0
        while len(reached) > draw.randint(0, 8):  # concurrent trials
            each = draw.choice(list(reached))
            # Most trials report each epoch; some skip or repeat epochs.
            reached[each] = max(1, reached[each] + draw.choices([1, 2, 5, 0], [50, 2, 1, 2])[0])
            result = {"epoch": reached[each], metric: _value(draw)}
            told = rays.on_trial_result(None, SimpleNamespace(trial_id=str(each)), result)
            assert ours.decide(each, reached[each], result[metric]) == told.lower()
            if told == "STOP":
                del reached[each]


class PublishedAlgorithm:
    """Algorithm 2 of Li et al. 2018, in which every trial pauses at a rung."""

    def __init__(self, levels: list[int], eta: int, sign: int) -> None:
        self.rungs = [(level, dict[int, float](), set[int]()) for level in levels]
        self.eta, self.sign = eta, sign

    def report(self, number: int, epoch: int, value: float) -> None:
        for level, values, _ in self.rungs:
            if level == epoch:
                values[number] = self.sign * value

    def promote(self) -> int | None:
        for _, values, promoted in reversed(self.rungs):
            ranked = sorted(values, key=lambda number: (-values[number], number))
            for number in ranked[: len(values) // self.eta]:
                if number not in promoted:
                    promoted.add(number)
                    return number
        return None


@pytest.mark.parametrize("metric", METRICS)
@pytest.mark.parametrize("seed", range(10))
def test_promotion_asha_fills_slots_as_the_published_algorithm(
    settings: StudySettings, metric: str, seed: int
) -> None:
    draw = random.Random(seed)
    eta, epochs = draw.randint(2, 4), 30
    ours = _make(settings, "asha-promotion", metric=metric, epochs=epochs, grace=2, reduction=eta)
    levels = [2 * eta**k for k in range(5) if 2 * eta**k < epochs]
    published = PublishedAlgorithm(levels, eta, 1 if metric_direction(metric) == "max" else -1)
    running, reached, begun = list[int](), Counter[int](), 0
    for _ in range(3000):
        while len(running) < 4:
            number = ours.promote()
            assert number == published.promote()
            begun += number is None
            running.append(number or begun)
        number = draw.choice(running)
        reached[number] += 1
        value = draw.choice([0.1, draw.random()])
        published.report(number, reached[number], value)
        decision = ours.decide(number, reached[number], value)
        if decision == "continue" and reached[number] in levels:
            assert published.promote() == number  # it would get its own slot
        elif decision != "continue":
            running.remove(number)
    assert max(reached.values()) == epochs


@pytest.fixture
def promoting(settings: StudySettings) -> Asha:
    return _make(settings, "asha-promotion")


def test_a_paused_trial_resumes_once_enough_trials_are_worse(promoting: Asha) -> None:
    assert [promoting.decide(n, 1, v) for n, v in [(1, 0.3), (2, 0.1)]] == ["pause", "pause"]
    assert (promoting.promote(), set(promoting.paused)) == (None, {1, 2})
    assert promoting.decide(3, 1, 0.2) == "pause"
    assert (promoting.promote(), promoting.promote()) == (1, None)
    assert set(promoting.paused) == {2, 3}


def test_a_trial_that_would_resume_at_once_is_not_paused(promoting: Asha) -> None:
    decisions = [promoting.decide(number, 1, number / 10) for number in (1, 2, 3)]
    assert decisions == ["pause", "pause", "continue"]


def test_a_slot_goes_to_the_highest_rung(promoting: Asha) -> None:
    for number in range(1, 10):
        promoting.decide(number, 1, -number)
    assert [promoting.promote() for _ in range(4)] == [1, 2, 3, None]
    for number in (10, 11):
        promoting.decide(number, 1, -99)
    assert promoting.decide(1, 3, 0.2) == promoting.decide(2, 3, 0.1) == "pause"
    assert promoting.decide(12, 1, -99) == "pause"  # now the fourth may resume
    assert promoting.decide(3, 3, 0.0) == "pause"
    assert [promoting.promote() for _ in range(3)] == [1, 4, None]


def test_equal_trials_resume_in_their_order_and_not_all(promoting: Asha) -> None:
    for number in range(1, 8):
        promoting.decide(number, 1, 0.05)
    assert [promoting.promote() for _ in range(3)] == [1, 2, None]


def test_a_trial_with_nan_is_not_paused(promoting: Asha) -> None:
    assert promoting.decide(1, 1, math.nan) == "stop"
    assert not promoting.paused


def test_repeated_epochs_change_nothing(promoting: Asha) -> None:
    for number in (1, 2, 3):
        promoting.decide(number, 1, -number)
    assert promoting.promote() == 1
    assert promoting.decide(1, 1, -1) == promoting.decide(1, 2, -1) == "continue"
    assert promoting.decide(1, 3, -1) == "pause"


def test_an_ended_trial_is_not_paused(promoting: Asha) -> None:
    for number in (1, 2, 3):
        promoting.decide(number, 1, -number)
    promoting.remove_paused(1)
    assert (promoting.promote(), set(promoting.paused)) == (None, {2, 3})


@pytest.mark.parametrize("scheduler", ["asha", "asha-promotion", "hyperband", "none"])
def test_the_baseline_always_continues(settings: StudySettings, scheduler: SchedulerName) -> None:
    rungs = _make(settings, scheduler)
    for number in range(1, 60):
        rungs.decide(number, 1, 0.5)
    assert {rungs.decide(0, epoch, 0.1) for epoch in range(1, 9)} == {"continue"}
    assert rungs.decide(0, 9, 0.1) == "stop"
    assert 0 not in rungs.paused


def test_without_a_scheduler_every_trial_continues(settings: StudySettings) -> None:
    rungs = _make(settings, "none")
    assert {rungs.decide(n, epoch, -n) for n in range(9) for epoch in range(1, 9)} == {"continue"}
    assert rungs.promote() is None


def test_hyperbands_brackets_get_their_shares_of_the_trials(settings: StudySettings) -> None:
    rungs = _make(settings, "hyperband", epochs=27)
    first = Counter(
        next((epoch for epoch in range(1, 27) if rungs.decide(n, epoch, -n) == "pause"), 27)
        for n in range(1, 2000)
    )
    # Table 1 of Li et al. 2018 (JMLR) for R = 27: 27, 12, 6 and 4 of 49 trials.
    for level, trials in [(1, 27), (3, 12), (9, 6), (27, 4)]:
        assert first[level] / 1999 == pytest.approx(trials / 49, abs=0.03)


def test_hyperbands_brackets_follow_from_the_seed(settings: StudySettings) -> None:
    once, again = _make(settings, "hyperband"), _make(settings, "hyperband")
    other = _make(settings, "hyperband", seed=1)
    decided = [[r.decide(n, 1, -n) for n in range(1, 50)] for r in (once, again, other)]
    assert decided[0] == decided[1] != decided[2]
