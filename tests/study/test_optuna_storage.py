from typing import Literal

import optuna
import pytest
from optuna.samplers import RandomSampler
from optuna.study import Study
from optuna.trial import TrialState

from fer_tune.study import optuna_storage
from fer_tune.study.optuna_storage import WindowedStorage

Direction = Literal["maximize", "minimize"]


def _study(direction: Direction) -> Study:
    """Ten trials, the newer the better but for the very first; trial 4 has no value."""
    study = optuna.create_study(
        storage=WindowedStorage(), sampler=RandomSampler(seed=0), direction=direction
    )
    sign = 1 if direction == "maximize" else -1
    for number in range(10):
        trial = study.ask()
        if number == 4:
            study.tell(trial, state=TrialState.FAIL)
        else:
            study.tell(trial, sign * (100 if number == 0 else number))
    return study


@pytest.mark.parametrize("direction", ["maximize", "minimize"])
def test_of_a_long_study_the_best_and_the_newest_trials_are_seen(
    direction: Direction, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(optuna_storage, "WINDOW_SIZE", 4)
    monkeypatch.setattr(optuna_storage, "MAX_BEST", 2)
    study = _study(direction)
    # The best two of all are the first and the newest one.
    assert [trial.number for trial in study.trials] == [0, 6, 7, 8, 9]
    assert study.best_trial.number == 0


def test_of_a_study_with_constraints_the_best_are_those_that_keep_to_them(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(optuna_storage, "WINDOW_SIZE", 2)
    monkeypatch.setattr(optuna_storage, "MAX_BEST", 2)
    study = optuna.create_study(
        storage=WindowedStorage(), sampler=RandomSampler(seed=0), direction="maximize"
    )
    for value, above in ((1, -0.1), (9, 0.1), (2, 0.0), (8, 0.2), (0, 0.3), (0, 0.3)):
        trial = study.ask()
        trial.set_constraint("gap", above)
        study.tell(trial, value)
    assert [trial.number for trial in study.trials] == [0, 2, 4, 5]


def test_of_a_study_of_usual_length_all_are_seen() -> None:
    assert [trial.number for trial in _study("maximize").trials] == list(range(10))


def test_a_paused_trial_is_seen_as_pruned_until_it_goes_on() -> None:
    study = optuna.create_study(storage=(storage := WindowedStorage()))
    trial = study.ask()
    trial.report(0.5, 1)
    storage.mark_paused(trial.number, {"gap": 0.1})
    (seen,) = study.get_trials(states=(TrialState.PRUNED,))
    assert (seen.intermediate_values, seen.constraints) == ({1: 0.5}, {"gap": 0.1})
    storage.mark_running(trial.number)
    trial.report(0.6, 2)
    study.tell(trial, 0.6)
    (seen,) = study.trials
    assert (seen.state, seen.value, seen.constraints) == (TrialState.COMPLETE, 0.6, {})
