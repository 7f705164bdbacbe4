import random
from collections import Counter
from types import SimpleNamespace

import pytest
from ray.tune.schedulers import TrialScheduler

from fer_tune.defaults import SchedulerName
from fer_tune.events import EpochEnded, Event, TrialEnded, TrialStarted
from fer_tune.scoring.metrics import EpochResult
from fer_tune.study.records.settings import StudySettings
from fer_tune.study.tune.ray_scheduler import StudyScheduler
from fer_tune.trial_config import BASELINE

Report = tuple[int, int, float]  # trial, epoch, score

# Trials at once, as their reports may interleave; ASHA's rungs are at epochs 1, 3 and 9.
REPORTS: list[Report] = [
    (1, 1, 0.30),
    (2, 1, 0.20),
    (1, 2, 0.32),
    (3, 1, 0.40),
    (1, 3, 0.35),
    (3, 2, 0.41),
    (4, 1, 0.35),
    (3, 3, 0.30),
    (5, 1, 0.50),
    (5, 2, 0.50),
    (5, 3, 0.50),
]


def _decide(scheduler: StudyScheduler, number: int, epoch: int, score: float) -> str:
    trial = SimpleNamespace(config={"number": number}, trial_id=f"ray-{number}")
    if epoch == 1:
        scheduler.on_trial_add(None, trial)
    return scheduler.on_trial_result(None, trial, {"epoch": epoch, "val/macro_f1": score})


def test_a_scheduler_restored_from_the_event_log_decides_as_before(
    settings: StudySettings,
) -> None:
    whole = StudyScheduler(settings)
    expected = [_decide(whole, *report) for report in REPORTS]
    assert set(expected) == {TrialScheduler.STOP, TrialScheduler.CONTINUE}
    for cut in range(len(REPORTS)):
        resumed = StudyScheduler(settings)
        for number, epoch, score in REPORTS[:cut]:
            result = EpochResult(epoch, {"val/macro_f1": score}, [])
            resumed.replay_event(EpochEnded(number=number, result=result))
        decided = []
        for number, epoch, score in REPORTS[cut:]:
            trial = SimpleNamespace(config={"number": number}, trial_id="new id")
            resumed.on_trial_add(None, trial)
            reported = {"epoch": epoch, "val/macro_f1": score}
            decided.append(resumed.on_trial_result(None, trial, reported))
        assert decided == expected[cut:]
        assert resumed.pruned == whole.pruned


def test_a_worse_trial_stops_at_a_rung(settings: StudySettings) -> None:
    scheduler = StudyScheduler(settings)
    assert _decide(scheduler, 1, 1, 0.5) == TrialScheduler.CONTINUE
    assert _decide(scheduler, 2, 1, 0.1) == TrialScheduler.STOP
    assert scheduler.pruned == {2}


def test_a_smaller_loss_is_better(settings: StudySettings) -> None:
    scheduler = StudyScheduler(settings.model_copy(update={"metric": "val/loss"}))
    for number, loss, expected in [(1, 0.5, "CONTINUE"), (2, 0.9, "STOP"), (3, 0.1, "CONTINUE")]:
        trial = SimpleNamespace(config={"number": number}, trial_id=f"ray-{number}")
        scheduler.on_trial_add(None, trial)
        assert scheduler.on_trial_result(None, trial, {"epoch": 1, "val/loss": loss}) == expected


def test_the_baseline_never_stops_early(settings: StudySettings) -> None:
    scheduler = StudyScheduler(settings)
    _decide(scheduler, 1, 1, 0.5)
    assert _decide(scheduler, 0, 1, 0.1) == TrialScheduler.CONTINUE
    assert scheduler.pruned == set()


def test_a_completed_trial_is_not_pruned(settings: StudySettings) -> None:
    scheduler = StudyScheduler(settings)
    for epoch in range(1, 10):
        decision = _decide(scheduler, 1, epoch, 0.5)
    assert decision == TrialScheduler.STOP
    assert scheduler.pruned == set()


class Study:
    """Four trials at once, in no time, and what the journal has of them.

    That a trial goes on is on record only once its worker has begun, some epochs of others later.
    """

    def __init__(self, settings: StudySettings, seed: int) -> None:
        self.scheduler = StudyScheduler(settings)
        self.journal: list[Event] = []
        self._draw, self._trials = random.Random(seed), settings.trials
        self._reached, self._begun = Counter[int](), 0
        self._starting, self._running = list[int](), list[int]()

    def run(self) -> "Study":
        while self._fill() or self._starting or self._running:
            if self._starting and (not self._running or self._draw.random() < 0.3):
                self._running.append(number := self._starting.pop(0))
                self.journal.append(TrialStarted(number=number, name="", config=BASELINE))
            else:
                self._report(self._draw.choice(self._running))
        return self

    def _fill(self) -> bool:
        while len(self._starting) + len(self._running) < 4:
            number = self.scheduler.asha.promote()
            if number is None and self._begun == self._trials:
                return False
            if number is None:
                number, self._begun = self._begun, self._begun + 1
            self._starting.append(number)
        return True

    def _report(self, number: int) -> None:
        self._reached[number] += 1
        epoch, score = self._reached[number], self._draw.random()
        decision = _decide(self.scheduler, number, epoch, score)
        result = EpochResult(epoch, {"val/macro_f1": score}, [])
        self.journal.append(EpochEnded(number=number, result=result))
        if decision == TrialScheduler.STOP:
            self._running.remove(number)
            ending = "paused" if number in self.scheduler.asha.paused else "finished"
            ending = "stopped" if number in self.scheduler.pruned else ending
            self.journal.append(TrialEnded(number=number, ending=ending))


@pytest.mark.parametrize("kind", ["asha", "asha-promotion", "hyperband", "none"])
@pytest.mark.parametrize("seed", range(3))
def test_wherever_a_kill_cuts_the_event_log_its_paused_trials_stay_paused(
    settings: StudySettings, kind: SchedulerName, seed: int
) -> None:
    study = Study(settings.model_copy(update={"scheduler": kind, "trials": 40}), seed).run()
    waits = kind in ("asha-promotion", "hyperband")
    resumed, states = StudyScheduler(settings.model_copy(update={"scheduler": kind})), {}
    for event in study.journal:
        resumed.replay_event(event)
        states[event.number] = getattr(event, "ending", None)
        paused = {number for number, state in states.items() if state == "paused"}
        assert paused <= resumed.asha.paused
        # Beside those, some that were at a rung when the kill came: they go on from there.
        assert all(states[number] is None for number in resumed.asha.paused - paused)
    assert resumed.asha.paused == study.scheduler.asha.paused
    assert resumed.pruned == study.scheduler.pruned
    assert bool(paused) == waits
