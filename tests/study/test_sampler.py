from collections.abc import Callable

from fer_tune.study.record import TrialRecord
from fer_tune.study.sampler import StudySearch, sampled_points
from fer_tune.study.settings import StudySettings
from fer_tune.training.config import PAPER, TrialConfig


def _suggest(search: StudySearch, count: int) -> list[dict[str, object]]:
    return [search.suggest(f"ray-{index}") for index in range(count)]


def _config(suggestion: dict[str, object]) -> TrialConfig:
    return TrialConfig.model_validate({k: v for k, v in suggestion.items() if k != "number"})


def test_the_first_trial_is_the_papers_whatever_the_space_fixes(settings: StudySettings) -> None:
    first, second, third = _suggest(StudySearch(settings), 3)
    assert _config(first) == PAPER
    assert _config(second) == PAPER.model_copy(update={"depth": 2, "width": 8})
    assert _config(third).width == 8
    assert [first["number"], second["number"], third["number"]] == [0, 1, 2]


def test_the_same_seed_proposes_the_same_trials(settings: StudySettings) -> None:
    assert _suggest(StudySearch(settings), 5) == _suggest(StudySearch(settings), 5)
    other = settings.model_copy(update={"seed": 1})
    assert _suggest(StudySearch(other), 5) != _suggest(StudySearch(settings), 5)


def test_trials_that_were_not_over_come_first_under_their_own_numbers(
    settings: StudySettings, record: Callable[..., TrialRecord]
) -> None:
    earlier = [
        record(0, 0.5, ending="finished"),
        record(1, 0.2),
        record(2, ending="failed"),
        record(3, 0.3, ending="interrupted"),
    ]
    search = StudySearch(settings, earlier)
    one, three, new = _suggest(search, 3)
    assert [one["number"], three["number"], new["number"]] == [1, 3, 4]
    assert (one["depth"], three["depth"]) == (earlier[1].config.depth, earlier[3].config.depth)
    assert search.left == settings.trials - 2


def test_a_resumed_study_does_not_propose_what_it_proposed_before(
    settings: StudySettings, record: Callable[..., TrialRecord]
) -> None:
    before = _suggest(StudySearch(settings), 4)[2:]
    earlier = [record(number, 0.1, ending="stopped") for number in range(2)]
    after = _suggest(StudySearch(settings, earlier), 2)
    assert {each["learning_rate"] for each in before}.isdisjoint(
        each["learning_rate"] for each in after
    )


def test_first_trials_that_were_not_reached_still_come(
    settings: StudySettings, record: Callable[..., TrialRecord]
) -> None:
    (second,) = _suggest(StudySearch(settings, [record(0, 0.5, ending="finished")]), 1)
    assert (second["number"], second["depth"]) == (1, 2)


def test_sampled_points_lie_in_the_space(settings: StudySettings) -> None:
    for point in sampled_points(settings, 3):
        for name, value in point.items():
            assert settings.space.parameters[name].contains(value)
