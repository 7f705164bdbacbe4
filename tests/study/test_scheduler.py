from types import SimpleNamespace

from ray.tune.schedulers import TrialScheduler

from fer_tune.events import EpochEnded
from fer_tune.study.scheduler import StudyScheduler
from fer_tune.study.settings import StudySettings
from fer_tune.training.metrics import EpochResult

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


def test_rungs_filled_from_the_journal_decide_as_those_that_were_lost(
    settings: StudySettings,
) -> None:
    whole = StudyScheduler(settings)
    expected = [_decide(whole, *report) for report in REPORTS]
    assert set(expected) == {TrialScheduler.STOP, TrialScheduler.CONTINUE}
    for cut in range(len(REPORTS)):
        resumed = StudyScheduler(settings)
        for number, epoch, score in REPORTS[:cut]:
            result = EpochResult(epoch, {"val/macro_f1": score}, [])
            resumed.replay(EpochEnded(number=number, result=result))
        decided = []
        for number, epoch, score in REPORTS[cut:]:
            trial = SimpleNamespace(config={"number": number}, trial_id="new id")
            resumed.on_trial_add(None, trial)
            reported = {"epoch": epoch, "val/macro_f1": score}
            decided.append(resumed.on_trial_result(None, trial, reported))
        assert decided == expected[cut:]
        assert resumed.stopped == whole.stopped


def test_a_worse_trial_is_stopped_at_a_rung(settings: StudySettings) -> None:
    scheduler = StudyScheduler(settings)
    assert _decide(scheduler, 1, 1, 0.5) == TrialScheduler.CONTINUE
    assert _decide(scheduler, 2, 1, 0.1) == TrialScheduler.STOP
    assert scheduler.stopped == {2}


def test_less_is_better_for_a_loss(settings: StudySettings) -> None:
    scheduler = StudyScheduler(settings.model_copy(update={"metric": "val/loss"}))
    for number, loss, expected in [(1, 0.5, "CONTINUE"), (2, 0.9, "STOP"), (3, 0.1, "CONTINUE")]:
        trial = SimpleNamespace(config={"number": number}, trial_id=f"ray-{number}")
        scheduler.on_trial_add(None, trial)
        assert scheduler.on_trial_result(None, trial, {"epoch": 1, "val/loss": loss}) == expected


def test_the_papers_trial_is_never_stopped_early(settings: StudySettings) -> None:
    scheduler = StudyScheduler(settings)
    _decide(scheduler, 1, 1, 0.5)
    assert _decide(scheduler, 0, 1, 0.1) == TrialScheduler.CONTINUE
    assert scheduler.stopped == set()


def test_a_trial_at_its_full_length_is_not_among_the_stopped(settings: StudySettings) -> None:
    scheduler = StudyScheduler(settings)
    for epoch in range(1, 10):
        decision = _decide(scheduler, 1, epoch, 0.5)
    assert decision == TrialScheduler.STOP
    assert scheduler.stopped == set()
