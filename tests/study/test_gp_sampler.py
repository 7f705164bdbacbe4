import itertools
import math
import random
from typing import Any

import optuna
from optuna.study import StudyDirection
from optuna.trial import FrozenTrial, TrialState, create_trial

from fer_tune.study.gp_sampler import StudyGpSampler, predict_final_scores
from fer_tune.study.search_space.space import SearchSpace

SPACE = SearchSpace.model_validate(
    {
        "parameters": {
            "dropout": {"type": "float", "low": 0.0, "high": 0.9},
            "schedule": {"type": "choice", "values": ["constant", "cosine"]},
            "mixup": {"type": "float", "low": 0.0, "high": 0.4, "when": {"schedule": "cosine"}},
        }
    }
)


def _make_trial(state: TrialState, *scores: float, excess: float = 0.0) -> FrozenTrial:
    return create_trial(
        state=state,
        value=max(scores) if state == TrialState.COMPLETE else None,
        intermediate_values=dict(enumerate(scores, start=1)),
        constraints={"gap": excess},
    )


def _predict(*trials: FrozenTrial, direction: str = "maximize") -> list[float]:
    pairs = predict_final_scores(trials, StudyDirection[direction.upper()])
    return [round(score, 9) for _, score in pairs]


def test_a_pruned_trial_gains_as_much_as_completed_trials_gained_from_its_epoch() -> None:
    completed = [
        _make_trial(TrialState.COMPLETE, 0.1, 0.3, 0.5),
        _make_trial(TrialState.COMPLETE, 0.2, 0.3, 0.4),
    ]
    pruned = _make_trial(TrialState.PRUNED, 0.2, 0.25)
    assert _predict(*completed, pruned) == [0.5, 0.4, 0.25 + (0.2 + 0.1) / 2]


def test_without_completed_trials_a_pruned_trial_keeps_its_last_score() -> None:
    assert _predict(_make_trial(TrialState.PRUNED, 0.3, 0.2)) == [0.2]


def test_the_excess_of_the_gap_makes_a_score_worse() -> None:
    trials = [_make_trial(TrialState.COMPLETE, 0.5, excess=each) for each in (0.1, -0.1)]
    assert _predict(*trials) == [0.4, 0.5]
    assert _predict(*trials, direction="minimize") == [0.6, 0.5]


def test_trials_without_a_final_score_are_left_out() -> None:
    others = [TrialState.RUNNING, TrialState.FAIL, TrialState.WAITING]
    trials = [_make_trial(state, 0.1) for state in others]
    assert _predict(*trials, _make_trial(TrialState.PRUNED, math.nan)) == []


def _run_study(count: int, startup_trials: int, seed: int = 0) -> list[dict[str, Any]]:
    """Run trials whose score falls with the distance of `dropout` from .6 and `mixup` from .1."""
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    sampler = StudyGpSampler(SPACE, seed, startup_trials)
    study = optuna.create_study(direction="maximize", sampler=sampler)
    for _ in range(count):
        trial = study.ask()
        point = SPACE.suggest_point(trial)
        score = 1 - abs(float(point["dropout"]) - 0.6) - abs(float(point.get("mixup", 0.4)) - 0.1)
        trial.report(score, 1)
        is_pruned = trial.number % 3 == 2
        study.tell(trial, **({"state": TrialState.PRUNED} if is_pruned else {"values": score}))
    return [trial.params for trial in study.trials]


def test_it_soon_finds_good_values_under_a_condition() -> None:
    points = _run_study(13, startup_trials=6)[6:]
    assert any(
        abs(point["dropout"] - 0.6) < 0.05 and abs(point.get("mixup", 0.4) - 0.1) < 0.05
        for point in points
    )


def test_the_same_seed_proposes_the_same_trials() -> None:
    assert _run_study(5, 3) == _run_study(5, 3) != _run_study(5, 3, seed=1)


def test_it_proposes_something_else_while_a_trial_runs() -> None:
    study = optuna.create_study(direction="maximize", sampler=StudyGpSampler(SPACE, 0, 4))
    for dropout in (0.0, 0.3, 0.6, 0.9):
        study.enqueue_trial({"dropout": dropout, "schedule": "constant"})
        SPACE.suggest_point(trial := study.ask())
        trial.report(0.5 - abs(dropout - 0.5), 1)
        study.tell(trial, 0.5 - abs(dropout - 0.5))
    first, second = (SPACE.suggest_point(study.ask()) for _ in range(2))
    assert first != second


def test_it_proposes_nothing_for_a_trial_whose_parameters_are_given() -> None:
    study, sampler = optuna.create_study(), StudyGpSampler(SPACE, 0, startup_trials=1)
    SPACE.suggest_point(trial := study.ask())
    trial.report(0.5, 1)
    study.tell(trial, 0.5)
    study.enqueue_trial({"dropout": 0.5, "schedule": "constant"})
    given = study.get_trials()[-1]
    assert sampler.sample_relative(study, given, SPACE.to_distributions()) == {}


def test_it_never_proposes_the_same_trial_twice() -> None:
    """The best value is the largest, where the process alone would stay."""
    dropout = {"type": "float", "low": 0.0, "high": 0.9}
    space = SearchSpace.model_validate({"parameters": {"dropout": dropout}})
    study = optuna.create_study(direction="maximize", sampler=StudyGpSampler(space, 0, 3))
    noise = random.Random(0)
    for _ in range(16):
        space.suggest_point(trial := study.ask())
        score = trial.params["dropout"] + noise.gauss(0, 0.05)
        trial.report(score, 1)
        study.tell(trial, score)
    values = sorted(trial.params["dropout"] for trial in study.trials)
    assert min(later - earlier for earlier, later in itertools.pairwise(values)) > 1e-9
