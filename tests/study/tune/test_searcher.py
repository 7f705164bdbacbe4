import math
from collections.abc import Callable
from dataclasses import replace
from statistics import fmean
from typing import Any, cast

import pytest
from optuna.trial import FrozenTrial, TrialState
from ray.tune.search import Searcher

from fer_tune.scoring.metrics import EpochResult
from fer_tune.study.asha import Asha, make_asha
from fer_tune.study.records.settings import PriorTrial, StudySettings
from fer_tune.study.records.trial_record import TrialRecord
from fer_tune.study.search_space.space import BestTrialConstraints, MetricLimit
from fer_tune.study.tune.failure import TrialFailure
from fer_tune.study.tune.searcher import StudySearcher, preview_proposals
from fer_tune.trial_config import BASELINE, TrialConfig


def _suggest(search: StudySearcher, count: int) -> list[dict[str, Any]]:
    return _suggest_as(search, *(f"ray-{index}" for index in range(count)))


def _suggest_as(search: StudySearcher, *names: str) -> list[dict[str, Any]]:
    suggested = [search.suggest(name) for name in names]
    assert all(isinstance(each, dict) for each in suggested)
    return cast("list[dict[str, Any]]", suggested)


def _config(suggestion: dict[str, Any]) -> TrialConfig:
    return TrialConfig.model_validate(suggestion["trial"])


def _ended(search: StudySearcher) -> list[FrozenTrial]:
    return [trial for trial in search.study.trials if trial.state.is_finished()]


def test_the_first_trial_is_the_baseline_whatever_the_space_fixes(settings: StudySettings) -> None:
    first, second, third = _suggest(StudySearcher(settings), 3)
    assert _config(first) == BASELINE
    assert _config(second) == BASELINE.model_copy(update={"depth": 2, "width": 8})
    assert _config(third).width == 8
    assert [first["number"], second["number"], third["number"]] == [0, 1, 2]


def test_the_same_seed_proposes_the_same_trials(settings: StudySettings) -> None:
    assert _suggest(StudySearcher(settings), 5) == _suggest(StudySearcher(settings), 5)
    other = settings.model_copy(update={"seed": 1})
    assert _suggest(StudySearcher(other), 5) != _suggest(StudySearcher(settings), 5)


def test_unfinished_trials_come_first_under_their_own_numbers(
    settings: StudySettings, record: Callable[..., TrialRecord]
) -> None:
    previous = [
        record(0, 0.5, ending="finished"),
        record(1, 0.2),
        record(2, ending="failed"),
        record(3, 0.3, ending="interrupted"),
    ]
    search = StudySearcher(settings, previous)
    one, three, new = _suggest(search, 3)
    assert [one["number"], three["number"], new["number"]] == [1, 3, 4]
    assert (one["trial"]["depth"], three["trial"]["depth"]) == (
        previous[1].config.depth,
        previous[3].config.depth,
    )


def test_it_finishes_once_every_unfinished_trial_is_proposed(
    settings: StudySettings, record: Callable[..., TrialRecord]
) -> None:
    previous = [record(0, 0.5, ending="finished"), record(1, 0.2), record(2, ending="failed")]
    search = StudySearcher(settings, previous)
    _suggest(search, settings.trials - 2)
    assert search.suggest("one too many") == Searcher.FINISHED


MEMORY = {
    "failure": TrialFailure("memory", "OutOfMemoryError: CUDA"),
    "epoch": 0,
    "val/macro_f1": 0.0,
}


def test_a_trial_out_of_memory_on_a_fraction_of_a_gpu_is_proposed_again_with_a_whole_gpu(
    settings: StudySettings,
) -> None:
    search = StudySearcher(settings.model_copy(update={"trials": 2}), gpus=0.25)
    paper, second = _suggest(search, 2)
    assert (paper["gpus"], second["gpus"]) == (0.25, 0.25)
    assert search.suggest("ray-2") is None  # the two trials may still fail
    search.on_trial_result("ray-1", {"epoch": 1, "val/macro_f1": 0.4})
    search.on_trial_complete("ray-1", MEMORY)
    assert search.suggest("ray-3") == second | {"gpus": 1.0}
    assert not _ended(search)
    search.on_trial_result("ray-3", {"epoch": 1, "val/macro_f1": 0.4})
    search.on_trial_complete("ray-3", {"epoch": 9, "val/macro_f1": 0.3})
    search.on_trial_complete("ray-0", {"epoch": 9, "val/macro_f1": 0.2})
    assert [trial.value for trial in _ended(search)] == [0.2, 0.4]
    assert search.suggest("ray-4") == Searcher.FINISHED


def test_a_trial_that_needs_a_whole_gpu_comes_last(
    settings: StudySettings,
) -> None:
    search = StudySearcher(settings.model_copy(update={"trials": 3}), gpus=0.25)
    first, _ = _suggest(search, 2)
    search.on_trial_complete("ray-0", MEMORY)
    new = search.suggest("ray-2")
    assert isinstance(new, dict)
    assert (new["number"], new["gpus"]) == (2, 0.25)
    assert search.suggest("ray-3") == first | {"gpus": 1.0}


def test_a_trial_out_of_memory_on_a_whole_gpu_fails(settings: StudySettings) -> None:
    search = StudySearcher(settings.model_copy(update={"trials": 1}), gpus=0.5)
    _suggest(search, 1)
    search.on_trial_complete("ray-0", MEMORY)
    assert search.suggest("ray-1")
    search.on_trial_complete("ray-1", MEMORY)
    assert [trial.state for trial in _ended(search)] == [TrialState.FAIL]
    assert search.suggest("ray-2") == Searcher.FINISHED


def test_a_resumed_study_does_not_repeat_its_proposals(
    settings: StudySettings, record: Callable[..., TrialRecord]
) -> None:
    before = _suggest(StudySearcher(settings), 4)[2:]
    previous = [record(number, 0.1, ending="stopped") for number in range(2)]
    after = _suggest(StudySearcher(settings, previous), 2)
    rates = [{each["trial"]["learning_rate"] for each in some} for some in (before, after)]
    assert rates[0].isdisjoint(rates[1])


def test_first_trials_that_have_not_run_still_come(
    settings: StudySettings, record: Callable[..., TrialRecord]
) -> None:
    (second,) = _suggest(StudySearcher(settings, [record(0, 0.5, ending="finished")]), 1)
    assert (second["number"], second["trial"]["depth"]) == (1, 2)


def test_a_first_trial_that_was_proposed_but_never_started_still_comes(
    settings: StudySettings, record: Callable[..., TrialRecord]
) -> None:
    previous = [record(1, 0.5, ending="stopped"), record(3, 0.5, ending="stopped")]
    given = _suggest(StudySearcher(settings, previous), 3)
    assert [each["number"] for each in given] == [0, 2, 4]
    assert TrialConfig(**given[0]["trial"]) == BASELINE


def test_sampled_points_lie_in_the_space(settings: StudySettings) -> None:
    for point in preview_proposals(settings, 3):
        for name, value in point.items():
            assert settings.space.parameters[name].contains(value)


def test_optuna_gets_a_completed_trial_with_its_best_epoch(settings: StudySettings) -> None:
    search = StudySearcher(settings)
    search.suggest("ray-0")
    for epoch, score in enumerate([0.1, 0.2, 0.3, 0.9, 0.4, 0.4, 0.4, 0.4], start=1):
        search.on_trial_result("ray-0", {"epoch": epoch, "val/macro_f1": score})
    search.on_trial_complete("ray-0", {"epoch": 9, "val/macro_f1": 0.3})
    (trial,) = _ended(search)
    assert (trial.state, trial.value) == (TrialState.COMPLETE, 0.9)
    assert trial.intermediate_values[9] == 0.3


def test_optuna_gets_a_stopped_trial_as_pruned_with_its_epochs(
    settings: StudySettings,
) -> None:
    search = StudySearcher(settings)
    search.suggest("ray-0")
    search.on_trial_result("ray-0", {"epoch": 1, "val/macro_f1": 0.3})
    search.on_trial_complete("ray-0", {"epoch": 2, "val/macro_f1": 0.2})
    (trial,) = _ended(search)
    assert trial.state == TrialState.PRUNED
    assert trial.intermediate_values == {1: 0.3, 2: 0.2}


@pytest.fixture
def promoting(settings: StudySettings) -> StudySettings:
    return settings.model_copy(update={"scheduler": "asha-promotion", "trials": 4})


def _epoch(asha: Asha, search: StudySearcher, number: int, epoch: int, score: float) -> None:
    """Report an epoch as Ray does; a trial's id is its number."""
    result = {"epoch": epoch, "val/macro_f1": score}
    if asha.decide(number, epoch, score) == "continue":
        search.on_trial_result(str(number), result)
    else:
        search.on_trial_complete(str(number), result)


def _states(search: StudySearcher) -> list[tuple[TrialState, dict[int, float]]]:
    """Return what the sampler sees of the proposed trials."""
    trials = search.study.get_trials(deepcopy=False)
    given = [each for each in trials if each.state != TrialState.WAITING]
    return [(each.state, each.intermediate_values) for each in given]


def test_the_sampler_sees_a_paused_trial_as_pruned_until_it_resumes(
    promoting: StudySettings,
) -> None:
    search = StudySearcher(promoting, asha=(asha := make_asha(promoting)))
    _suggest_as(search, "0", "1")
    _epoch(asha, search, 1, 1, 0.5)
    assert _states(search) == [(TrialState.RUNNING, {}), (TrialState.PRUNED, {1: 0.5})]
    (two,) = _suggest_as(search, "2")
    assert two["number"] == 2
    _epoch(asha, search, 2, 1, 0.4)
    _epoch(asha, search, 0, 1, 0.1)
    (again,) = _suggest_as(search, "1 again")
    assert again["number"] == 1
    assert [state for state, _ in _states(search)] == [
        TrialState.RUNNING,
        TrialState.RUNNING,
        TrialState.PRUNED,
    ]
    search.on_trial_result("1 again", {"epoch": 1, "val/macro_f1": 0.5})
    search.on_trial_result("1 again", {"epoch": 2, "val/macro_f1": 0.6})
    search.on_trial_complete("1 again", {"epoch": 9, "val/macro_f1": 0.2})
    assert _states(search)[1] == (TrialState.COMPLETE, {1: 0.5, 2: 0.6, 9: 0.2})
    assert search.study.best_value == 0.6


def test_it_does_not_finish_while_a_running_trial_may_let_a_paused_one_resume(
    promoting: StudySettings,
) -> None:
    search = StudySearcher(promoting, asha=(asha := make_asha(promoting)))
    _suggest_as(search, "0", "1", "2", "3")
    for number in (1, 2):
        _epoch(asha, search, number, 1, -number)
    assert search.suggest("too early") is None
    _epoch(asha, search, 3, 1, -3)
    (again,) = _suggest_as(search, "1 again")
    assert again["number"] == 1
    search.on_trial_complete("0", {"epoch": 9, "val/macro_f1": 0.2})
    search.on_trial_complete("1 again", {"epoch": 9, "val/macro_f1": 0.2})
    assert search.suggest("over") == Searcher.FINISHED


def test_after_a_resume_running_trials_continue_and_paused_ones_wait(
    promoting: StudySettings, record: Callable[..., TrialRecord]
) -> None:
    asha = make_asha(promoting)
    for number, score in [(0, 0.1), (1, 0.3), (2, 0.5)]:
        asha.decide(number, 1, score)
    previous = [
        record(0, 0.1, ending="interrupted"),
        record(1, 0.3, ending="paused"),
        record(2, 0.5, ending="interrupted"),
    ]
    search = StudySearcher(promoting, previous, asha=asha)
    given = _suggest_as(search, "0", "2", "3")
    assert [each["number"] for each in given] == [0, 2, 3]
    assert sorted(_states(search), key=str) == [
        (TrialState.PRUNED, {1: 0.3}),
        (TrialState.RUNNING, {1: 0.1}),
        (TrialState.RUNNING, {1: 0.5}),
        (TrialState.RUNNING, {}),
    ]
    _epoch(asha, search, 3, 1, 0.05)
    assert search.suggest("nothing yet") is None
    for number in (5, 6):  # as if the study had more trials
        asha.decide(number, 1, 0.0)
    (again,) = _suggest_as(search, "1")
    assert (again["number"], _config(again)) == (
        1,
        previous[1].config.model_copy(update={"width": 8}),
    )
    search.on_trial_complete("1", {"epoch": 2, "val/macro_f1": 0.4}, error=True)
    assert (TrialState.FAIL, {1: 0.3, 2: 0.4}) in _states(search)


def test_optuna_gets_a_failed_trial_as_failed(settings: StudySettings) -> None:
    search = StudySearcher(settings)
    search.suggest("ray-0")
    search.on_trial_complete("ray-0", error=True)
    assert [trial.state for trial in _ended(search)] == [TrialState.FAIL]


def test_after_a_resume_optuna_knows_the_previous_trials(
    settings: StudySettings, record: Callable[..., TrialRecord]
) -> None:
    previous = [
        record(0, *[0.1, 0.6, 0.3], ending="finished"),
        record(1, 0.2, ending="stopped"),
        record(2, ending="failed"),
        record(3, 0.4, 0.5),
    ]
    search = StudySearcher(settings, previous)
    finished, stopped, failed = _ended(search)
    assert (finished.state, finished.value) == (TrialState.COMPLETE, 0.6)
    assert (stopped.state, stopped.intermediate_values) == (TrialState.PRUNED, {1: 0.2})
    assert failed.state == TrialState.FAIL
    search.suggest("ray-0")
    search.on_trial_result("ray-0", {"epoch": 3, "val/macro_f1": 0.1})
    search.on_trial_complete("ray-0", {"epoch": 9, "val/macro_f1": 0.1})
    (resumed,) = (trial for trial in _ended(search) if trial.value == 0.5)
    assert list(resumed.intermediate_values) == [1, 2, 3, 9]


def test_a_proposal_has_only_active_parameters(conditional: StudySettings) -> None:
    given = [each["trial"] for each in _suggest(StudySearcher(conditional), 10)]
    assert given[0].keys() == {"learning_rate", "schedule"}
    assert given[1] == given[0] | {"schedule": "cosine", "mixup": 0.3}
    for each in given:
        assert ("mixup" in each) is (each["schedule"] == "cosine")
    assert {each["schedule"] for each in given} == {"constant", "cosine"}


def test_in_a_conditional_space_it_learns_good_values_under_each_condition(
    conditional: StudySettings,
) -> None:
    search = StudySearcher(conditional.model_copy(update={"trials": 60}))
    mixed = []
    for index in range(60):
        (given,) = _suggest_as(search, f"ray-{index}")
        mixup = given["trial"].get("mixup")
        score = 0.5 if mixup is None else 1 - abs(mixup - 0.15)
        search.on_trial_complete(f"ray-{index}", {"epoch": 9, "val/macro_f1": score})
        if index >= 40:
            mixed.append(mixup is not None and mixup < 0.25)
    assert sum(mixed) > 12


def test_a_resumed_study_with_conditions_knows_each_trials_parameters(
    conditional: StudySettings, record: Callable[..., TrialRecord]
) -> None:
    paper, mixed, running = (
        record(0, 0.5, ending="finished"),
        record(1, 0.2, ending="stopped"),
        record(2, 0.3),
    )
    paper.config = BASELINE
    mixed.config = running.config = TrialConfig(schedule="cosine", mixup=0.25)
    search = StudySearcher(conditional, [paper, mixed, running])
    assert [sorted(each.params) for each in _ended(search)] == [
        ["learning_rate", "schedule"],
        ["learning_rate", "mixup", "schedule"],
    ]
    (again, new) = _suggest(search, 2)
    assert _config(again) == running.config
    assert new["number"] == 3


def _known(number: int, rate: float, best: float, *, is_whole: bool = True) -> PriorTrial:
    return PriorTrial(
        study="other",
        number=number,
        point={"learning_rate": rate, "depth": 3},
        epochs=9 if is_whole else 2,
        is_whole=is_whole,
        best=best,
        gap=0.3,
        last=best - 0.1,
    )


def test_optuna_gets_prior_trials_and_they_do_not_count(
    settings: StudySettings,
) -> None:
    known = (_known(4, 0.001, 0.5), _known(7, 0.002, 0.4, is_whole=False))
    search = StudySearcher(settings.model_copy(update={"known": known}))
    whole, short = _ended(search)
    assert (whole.state, whole.value) == (TrialState.COMPLETE, 0.5)
    assert (short.state, short.intermediate_values) == (TrialState.PRUNED, {2: 0.4 - 0.1})
    assert [each.user_attrs for each in (whole, short)] == [
        {"study": "other", "trial": 4},
        {"study": "other", "trial": 7},
    ]
    given = _suggest(search, settings.trials)
    assert [each["number"] for each in given] == list(range(settings.trials))
    assert _config(given[0]) == BASELINE
    assert search.suggest("one too many") == Searcher.FINISHED


def test_a_first_trial_that_is_a_completed_prior_trial_is_not_repeated(
    settings: StudySettings,
) -> None:
    point = {"learning_rate": BASELINE.learning_rate, "depth": 2}
    whole = _known(0, 0.001, 0.5).model_copy(update={"point": point})
    for known, depths in (
        ((whole,), [3]),
        ((whole.model_copy(update={"is_whole": False}),), [3, 2]),
        ((whole.model_copy(update={"point": {**point, "depth": 3}}),), [3, 2]),  # the paper's
    ):
        own = settings.model_copy(update={"known": known})
        assert [each["depth"] for each in own.list_untried_first_points()] == depths
        given = _suggest(StudySearcher(own), 3)
        assert [each["trial"]["depth"] for each in given[: len(depths)]] == depths


def test_prior_trials_have_the_constraint_on_the_gap(
    settings: StudySettings,
) -> None:
    search = StudySearcher(
        _limited(settings).model_copy(update={"known": (_known(0, 0.001, 0.5),)})
    )
    (trial,) = _ended(search)
    assert trial.constraints == {"gap": pytest.approx(0.2)}


def test_a_study_with_prior_trials_searches_near_good_ones(settings: StudySettings) -> None:
    # The larger the learning rate, from 1e-5 to 1e-2, the better.
    known = tuple(_known(index, 10.0 ** (index / 10 - 5), index / 30) for index in range(31))

    def exponents(settings: StudySettings) -> list[float]:
        points = preview_proposals(settings, 20)
        return [math.log10(float(point["learning_rate"])) for point in points]

    assert fmean(exponents(settings.model_copy(update={"known": known}))) > -3
    assert fmean(exponents(settings)) < -3.2


def _limited(settings: StudySettings, most: float = 0.1) -> StudySettings:
    constraints = BestTrialConstraints(gap=MetricLimit(at_most=most))
    return settings.model_copy(
        update={"space": settings.space.model_copy(update={"constraints": constraints})}
    )


def _reported(epoch: int, score: float, gap: float) -> dict[str, Any]:
    metrics = {"val/macro_f1": score, "gap": gap}
    return {"epoch": epoch, "val/macro_f1": score, "result": EpochResult(epoch, metrics, [])}


def test_optuna_gets_the_excess_of_the_gap_at_the_best_epoch(
    settings: StudySettings,
) -> None:
    search = StudySearcher(_limited(settings))
    _suggest(search, 2)
    for epoch, score, gap in ((1, 0.2, 0.0), (2, 0.6, 0.25), (9, 0.5, 0.5)):
        search.on_trial_result("ray-0", _reported(epoch, score, gap))
    search.on_trial_complete("ray-0", _reported(9, 0.5, 0.5))
    search.on_trial_complete("ray-1", _reported(1, 0.3, 0.05))
    finished, stopped = _ended(search)
    assert (finished.value, stopped.state) == (0.6, TrialState.PRUNED)
    assert finished.constraints == {"gap": pytest.approx(0.15)}
    assert stopped.constraints == {"gap": pytest.approx(-0.05)}


def test_a_resumed_trial_ends_with_its_final_constraint(
    promoting: StudySettings,
) -> None:
    search = StudySearcher(own := _limited(promoting), asha=(asha := make_asha(own)))
    _suggest_as(search, "0", "1", "2")

    def seen(number: int) -> dict[str, float]:
        return dict(search.study.get_trials(deepcopy=False)[number].constraints)

    for number, score in ((1, 0.5), (2, 0.3), (0, 0.2)):
        asha.decide(number, 1, score)
        search.on_trial_complete(str(number), _reported(1, score, 0.05))
    assert seen(1) == {"gap": pytest.approx(-0.05)}
    (again,) = _suggest_as(search, "1 again")
    assert again["number"] == 1
    assert seen(1) == {}
    search.on_trial_complete("1 again", _reported(9, 0.7, 0.3))
    assert seen(1) == {"gap": pytest.approx(0.2)}


def test_after_a_resume_optuna_knows_the_constraints_of_previous_trials(
    settings: StudySettings, record: Callable[..., TrialRecord]
) -> None:
    previous = [record(0, 0.5, 0.4, ending="finished"), record(1, 0.4), record(2, ending="failed")]
    for each in previous:
        each.history = [
            replace(result, metrics={**result.metrics, "gap": 0.3}) for result in each.history
        ]
    search = StudySearcher(_limited(settings), previous)
    assert [trial.constraints for trial in _ended(search)] == [{"gap": pytest.approx(0.2)}, {}]
    _suggest(search, 1)
    search.on_trial_complete("ray-0", _reported(9, 0.6, 0.1))
    (resumed,) = (trial for trial in _ended(search) if trial.value == 0.6)
    assert resumed.constraints == {"gap": pytest.approx(0.0)}


def test_with_a_constraint_it_searches_among_trials_that_satisfy_it(
    settings: StudySettings,
) -> None:
    def rates(limited: bool) -> list[float]:
        own = _limited(settings, 0.2) if limited else settings
        search = StudySearcher(own.model_copy(update={"trials": 50}))
        found = []
        for index in range(50):
            (given,) = _suggest_as(search, f"ray-{index}")
            rate = math.log10(given["trial"]["learning_rate"]) + 5  # 0 to 3: score and gap alike
            search.on_trial_complete(f"ray-{index}", _reported(9, rate / 3, rate / 3))
            found.append(rate / 3)
        return found[30:]

    assert fmean(rates(limited=True)) < 0.4
    assert fmean(rates(limited=False)) > 0.7


def test_sampled_points_have_only_active_parameters(
    conditional: StudySettings,
) -> None:
    for point in preview_proposals(conditional, 9):
        assert ("mixup" in point) is (point["schedule"] == "cosine")
