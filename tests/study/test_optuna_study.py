from typing import Literal

import optuna
import pytest
from optuna.samplers import RandomSampler
from optuna.study import Study
from optuna.trial import TrialState

from fer_tune.study import optuna_study
from fer_tune.study.optuna_study import WindowedStorage

Direction = Literal["maximize", "minimize"]


def _make_study(direction: Direction, window_size: int = 1000) -> Study:
    """Make ten trials, each better than the one before; the first is the best, trial 4 failed."""
    study = optuna.create_study(
        storage=WindowedStorage(window_size), sampler=RandomSampler(seed=0), direction=direction
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
def test_a_long_study_shows_its_best_and_newest_trials(
    direction: Direction, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(optuna_study, "MAX_BEST", 2)
    study = _make_study(direction, window_size=4)
    # The best two trials are the first and the newest.
    assert [trial.number for trial in study.trials] == [0, 6, 7, 8, 9]
    assert study.best_trial.number == 0


def test_with_constraints_the_best_trials_satisfy_them(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(optuna_study, "MAX_BEST", 2)
    study = optuna.create_study(
        storage=WindowedStorage(2), sampler=RandomSampler(seed=0), direction="maximize"
    )
    for value, excess in ((1, -0.1), (9, 0.1), (2, 0.0), (8, 0.2), (0, 0.3), (0, 0.3)):
        trial = study.ask()
        trial.set_constraint("gap", excess)
        study.tell(trial, value)
    assert [trial.number for trial in study.trials] == [0, 2, 4, 5]


def test_a_short_study_shows_all_trials() -> None:
    assert [trial.number for trial in _make_study("maximize").trials] == list(range(10))


def test_a_paused_trial_is_shown_as_pruned_until_it_resumes() -> None:
    study = optuna.create_study(storage=(storage := WindowedStorage(1000)))
    trial = study.ask()
    trial.report(0.5, 1)
    storage.mark_paused(trial, {"gap": 0.1})
    (shown,) = study.get_trials(states=(TrialState.PRUNED,))
    assert (shown.intermediate_values, shown.constraints) == ({1: 0.5}, {"gap": 0.1})
    storage.mark_running(trial)
    trial.report(0.6, 2)
    study.tell(trial, 0.6)
    (shown,) = study.trials
    assert (shown.state, shown.value, shown.constraints) == (TrialState.COMPLETE, 0.6, {})
