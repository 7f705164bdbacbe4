from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from fer_tune.events import EpochEnded, Event, TrialEnded, TrialStarted
from fer_tune.study.relay import Relay
from fer_tune.study.scheduler import StudyScheduler
from fer_tune.study.settings import StudySettings
from fer_tune.training.metrics import EpochResult


class Heard(list[Event]):
    """An observer that remembers."""

    tell = list.append


@pytest.fixture
def heard() -> Heard:
    return Heard()


@pytest.fixture
def relay(heard: Heard, settings: StudySettings) -> Relay:
    """One that a trial of number 4 has begun with."""
    relay = Relay([heard], StudyScheduler(settings), settings)
    relay.on_trial_start(trial=_trial())
    return relay


def _trial(error_file: Path | None = None) -> SimpleNamespace:
    config = {"number": 4, "trial": {"learning_rate": 0.001, "depth": 2}}
    kept: dict[str, dict[str, Any]] = {
        "last_result": {"result": "an epoch's"},
        "metric_analysis": {"epoch": {"max": 1}},
        "metric_n_steps": {"epoch": {}},
    }
    return SimpleNamespace(config=config, error_file=error_file, **kept)


def _report(relay: Relay, epoch: int) -> None:
    result = EpochResult(epoch, {"val/macro_f1": 0.5}, [])
    relay.on_trial_result(trial=_trial(), result={"result": result})


def _ending(heard: Heard) -> TrialEnded:
    (ended,) = (event for event in heard if isinstance(event, TrialEnded))
    return ended


def test_a_trial_is_told_by_number_name_and_configuration(relay: Relay, heard: Heard) -> None:
    assert relay
    started = heard[0]
    assert isinstance(started, TrialStarted)
    assert (started.number, started.name) == (4, "004 learning_rate=0.001 depth=2")
    assert started.config.depth == 2


def test_a_trial_at_its_full_length_is_finished(relay: Relay, heard: Heard) -> None:
    for epoch in range(1, 10):
        _report(relay, epoch)
    relay.on_trial_complete(trial=_trial())
    assert _ending(heard).ending == "finished"
    assert [event.result.epoch for event in heard if isinstance(event, EpochEnded)][-1] == 9


def test_a_trial_that_asha_stopped_is_stopped(relay: Relay, heard: Heard) -> None:
    _report(relay, 1)
    relay.scheduler.stopped.add(4)
    relay.on_trial_complete(trial=_trial())
    assert _ending(heard).ending == "stopped"


def test_a_trial_that_neither_finished_nor_was_stopped_was_interrupted(
    relay: Relay, heard: Heard
) -> None:
    _report(relay, 1)
    relay.end_open()
    relay.on_trial_complete(trial=_trial())
    assert _ending(heard).ending == "interrupted"


def test_a_broken_trial_is_told_with_its_whole_traceback(
    relay: Relay, heard: Heard, tmp_path: Path
) -> None:
    (tmp_path / "error.txt").write_text("Traceback\n  line\nDiverged: nan\n")
    relay.on_trial_error(trial=_trial(tmp_path / "error.txt"))
    assert _ending(heard).ending == "failed"
    assert _ending(heard).error == "Traceback\n  line\nDiverged: nan"


def test_of_a_trial_that_is_over_ray_keeps_no_metrics(relay: Relay) -> None:
    trial = _trial()
    relay.on_trial_complete(trial=trial)
    assert (trial.last_result, trial.metric_analysis, trial.metric_n_steps) == ({}, {}, {})
