import pytest

from fer_tune.study.planned_repeats import count_repeats, list_missing_repeats, plan_repeats
from fer_tune.study.records.settings import StudySettings
from fer_tune.study.records.trial_record import TrialRecord
from fer_tune.study.search_space.space import BestTrialConstraints, MetricLimit
from tests.finalists import add_repeat, make_trial


@pytest.fixture
def settings(settings: StudySettings) -> StudySettings:
    """A study of four trials and two finalists."""
    return settings.model_copy(update={"trials": 4, "finalists": 2})


@pytest.fixture
def trials() -> list[TrialRecord]:
    return [make_trial(number, score) for number, score in enumerate((0.2, 0.5, 0.3, 0.4))]


def _list_numbers(settings: StudySettings, trials: list[TrialRecord]) -> list[int]:
    return [repeat["number"] for repeat in plan_repeats(settings, trials)]


def test_the_best_trials_are_repeated_seed_by_seed(
    settings: StudySettings, trials: list[TrialRecord]
) -> None:
    assert _list_numbers(settings, trials) == [2_000_001, 2_000_003, 3_000_001, 3_000_003]


def test_all_finalists_have_the_same_two_seeds(
    settings: StudySettings, trials: list[TrialRecord]
) -> None:
    configs = plan_repeats(settings, trials)
    assert [config["seed_number"] for config in configs] == [2_000_000] * 2 + [3_000_000] * 2
    assert [config["name"] for config in configs[1:3]] == ["003, seed 2", "001, seed 3"]
    assert [config["repeat_of"] for config in configs] == [1, 3, 1, 3]
    assert configs[0]["trial"] == trials[1].config.model_dump()


@pytest.mark.parametrize("ending", ["paused", "interrupted", None])
def test_there_are_no_finalists_before_all_trials_have_ended(
    settings: StudySettings, trials: list[TrialRecord], ending: str | None
) -> None:
    assert _list_numbers(settings, trials[:3]) == []
    assert count_repeats(settings, trials[:3]) == 4
    object.__setattr__(trials[0], "ending", ending)
    assert _list_numbers(settings, trials) == []


def test_a_study_without_finalists_has_no_repeats(
    settings: StudySettings, trials: list[TrialRecord]
) -> None:
    without = settings.model_copy(update={"finalists": 0})
    assert plan_repeats(without, trials) == []
    assert count_repeats(without, trials) == count_repeats(without, trials[:1]) == 0


def test_trials_without_a_result_are_no_finalists(
    settings: StudySettings, trials: list[TrialRecord]
) -> None:
    for trial in trials[1:]:
        trial.history.clear()
        trial.ending = "failed"
    assert _list_numbers(settings, trials) == [2_000_000, 3_000_000]
    assert count_repeats(settings, trials) == 2


def test_finalists_satisfy_the_constraint(
    settings: StudySettings, trials: list[TrialRecord]
) -> None:
    limit = BestTrialConstraints(gap=MetricLimit(at_most=0.2))
    space = settings.space.model_copy(update={"constraints": limit})
    trials[1] = make_trial(1, 0.5, gap=0.3)
    limited = settings.model_copy(update={"space": space})
    assert _list_numbers(limited, trials)[:2] == [2_000_003, 2_000_002]


def test_repeats_that_have_ended_are_not_missing(
    settings: StudySettings, trials: list[TrialRecord]
) -> None:
    add_repeat(trials[1], 2, ending="failed")
    add_repeat(trials[3], 2, ending="interrupted")
    missing = [repeat["number"] for repeat in list_missing_repeats(settings, trials)]
    assert missing == [2_000_003, 3_000_001, 3_000_003]


def test_a_trial_with_a_repeat_stays_a_finalist_if_later_trials_are_better(
    settings: StudySettings, trials: list[TrialRecord]
) -> None:
    trials[1], trials[3] = make_trial(1, 0.5, 0.3, 0.3), make_trial(3, 0.4, 0.4, 0.4)
    more = settings.model_copy(update={"trials": 5})
    missing = list_missing_repeats(more, [*trials, make_trial(4, 0.6)])
    assert [repeat["number"] for repeat in missing] == [2_000_004, 3_000_004]
    assert len(plan_repeats(more, [*trials, make_trial(4, 0.6)])) == 6
