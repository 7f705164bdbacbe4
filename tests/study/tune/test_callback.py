from pathlib import Path
from types import SimpleNamespace
from typing import Any, Literal

import pytest

from fer_tune.common.errors import UserError
from fer_tune.events import EpochEnded, Event, TrialEnded, TrialRemarked, TrialStarted
from fer_tune.scoring.metrics import EpochResult
from fer_tune.study.records.settings import StudySettings
from fer_tune.study.tune.callback import StudyCallback
from fer_tune.study.tune.failure import TrialFailure
from fer_tune.study.tune.scheduler import StudyScheduler
from fer_tune.study.tune.trainable import NOT_RESTORED, RestoreInfo


class Heard(list[Event]):
    """An observer that remembers."""

    on_event = list.append


@pytest.fixture
def heard() -> Heard:
    return Heard()


@pytest.fixture
def relay(heard: Heard, settings: StudySettings) -> StudyCallback:
    """One that a trial of number 4 has begun with."""
    relay = StudyCallback([heard], StudyScheduler(settings), settings)
    relay.on_trial_start(trial=_trial())
    return relay


def _trial(error_file: Path | None = None, gpus: float = 0) -> SimpleNamespace:
    config = {"number": 4, "trial": {"learning_rate": 0.001, "depth": 2}}
    kept: dict[str, dict[str, Any]] = {
        "last_result": {"result": "an epoch's"},
        "metric_analysis": {"epoch": {"max": 1}},
        "metric_n_steps": {"epoch": {}},
    }
    return SimpleNamespace(
        config=config | {"gpus": gpus},
        error_file=error_file,
        temporary_state=SimpleNamespace(ray_actor="a worker"),
        num_failures=1,
        **kept,
    )


def _report(relay: StudyCallback, epoch: int, restored: RestoreInfo = NOT_RESTORED) -> None:
    result = EpochResult(epoch, {"val/macro_f1": 0.5}, [])
    relay.on_trial_result(trial=_trial(), result={"result": result, "restored": restored})


def _ending(heard: Heard) -> TrialEnded:
    (ended,) = (event for event in heard if isinstance(event, TrialEnded))
    return ended


def test_a_trial_is_told_by_number_name_and_configuration(
    relay: StudyCallback, heard: Heard
) -> None:
    assert relay
    started = heard[0]
    assert isinstance(started, TrialStarted)
    assert (started.number, started.name) == (4, "004 learning_rate=0.001 depth=2")
    assert started.config.depth == 2


def test_what_a_trial_does_not_have_is_told_of_it_and_not_in_its_name(
    heard: Heard, conditional: StudySettings
) -> None:
    StudyCallback([heard], StudyScheduler(conditional), conditional).on_trial_start(trial=_trial())
    (started,) = heard
    assert isinstance(started, TrialStarted)
    assert started.name == "004 learning_rate=0.001 schedule=constant"
    assert started.absent == ("mixup",)


def test_a_trial_at_its_full_length_is_finished(relay: StudyCallback, heard: Heard) -> None:
    for epoch in range(1, 10):
        _report(relay, epoch)
    relay.on_trial_complete(trial=_trial())
    assert _ending(heard).ending == "finished"
    assert [event.result.epoch for event in heard if isinstance(event, EpochEnded)][-1] == 9


def test_a_trial_that_asha_stopped_is_stopped(relay: StudyCallback, heard: Heard) -> None:
    _report(relay, 1)
    relay.scheduler.pruned.add(4)
    relay.on_trial_complete(trial=_trial())
    assert _ending(heard).ending == "stopped"


def test_a_trial_that_is_paused_goes_on_without_telling_its_epochs_again(
    heard: Heard, settings: StudySettings
) -> None:
    promoting = settings.model_copy(update={"scheduler": "asha-promotion"})
    relay = StudyCallback([heard], StudyScheduler(promoting), promoting)
    relay.on_trial_start(trial=_trial())
    _report(relay, 1)
    relay.scheduler.asha.decide(4, 1, 0.5)
    relay.on_trial_complete(trial=_trial())
    assert _ending(heard).ending == "paused"
    relay.on_trial_start(trial=_trial())
    for epoch in (1, 2):
        _report(relay, epoch, RestoreInfo(1))
    assert [event.result.epoch for event in heard if isinstance(event, EpochEnded)] == [1, 2]


def test_a_trial_that_neither_finished_nor_was_stopped_was_interrupted(
    relay: StudyCallback, heard: Heard
) -> None:
    _report(relay, 1)
    relay.end_running_trials()
    relay.on_trial_complete(trial=_trial())
    assert _ending(heard).ending == "interrupted"


def test_a_broken_trial_is_told_with_its_whole_traceback(
    relay: StudyCallback, heard: Heard, tmp_path: Path
) -> None:
    (tmp_path / "error.txt").write_text("Traceback\n  line\nDiverged: nan\n")
    relay.on_trial_error(trial=_trial(tmp_path / "error.txt"))
    assert _ending(heard).ending == "failed"
    assert _ending(heard).error == "Traceback\n  line\nDiverged: nan"


def test_a_trial_whose_worker_died_goes_on_with_the_epochs_that_are_not_known(
    relay: StudyCallback, heard: Heard
) -> None:
    for epoch in (1, 2):
        _report(relay, epoch)
    relay.on_trial_recover(trial=_trial())
    assert _ending(heard).ending == "interrupted"
    assert any(isinstance(event, TrialRemarked) and "died" in event.remark for event in heard)
    relay.on_trial_start(trial=_trial())
    for epoch in (1, 2, 3):
        _report(relay, epoch, RestoreInfo(2))
    epochs = [event.result.epoch for event in heard if isinstance(event, EpochEnded)]
    assert epochs == [1, 2, 3]


@pytest.mark.parametrize(
    ("restored", "told"),
    [
        (RestoreInfo(2), []),
        (RestoreInfo(0), ["its newest checkpoint is gone; it is trained again from epoch 1"]),
        (RestoreInfo(0, "a: broken"), ["a: broken; it is trained again from epoch 1"]),
        (RestoreInfo(1), ["its newest checkpoint is gone; it is trained again from epoch 2"]),
    ],
)
def test_a_lost_checkpoint_is_told_and_its_epochs_are_not_told_again(
    heard: Heard, settings: StudySettings, restored: RestoreInfo, told: list[str]
) -> None:
    relay = StudyCallback([heard], StudyScheduler(settings), settings, {4: 2})
    relay.on_trial_start(trial=_trial())
    for epoch in (1, 2, 3):
        _report(relay, epoch, restored)
    remarks = [event.remark for event in heard if isinstance(event, TrialRemarked)]
    assert remarks == [f"{text}, but the recorded results up to epoch 2 stay" for text in told]
    assert [event.result.epoch for event in heard if isinstance(event, EpochEnded)] == [3]


def test_a_resumed_trial_is_told_from_where_its_journal_ends(
    heard: Heard, settings: StudySettings
) -> None:
    relay = StudyCallback([heard], StudyScheduler(settings), settings, {4: 2})
    relay.on_trial_start(trial=_trial())
    for epoch in (1, 2, 3):
        _report(relay, epoch, RestoreInfo(2))
    assert [event.result.epoch for event in heard if isinstance(event, EpochEnded)] == [3]


@pytest.mark.parametrize(
    ("gpus", "kind", "ending"),
    [(0.25, "memory", "interrupted"), (1, "memory", "failed"), (0.25, "error", "failed")],
)
def test_a_failed_trial_is_told_as_failed_unless_it_is_tried_again(
    relay: StudyCallback, heard: Heard, gpus: float, kind: Literal["memory", "error"], ending: str
) -> None:
    failure = TrialFailure(kind, "Traceback\nOutOfMemoryError: CUDA")
    relay.on_trial_result(trial=_trial(), result={"failure": failure})
    relay.on_trial_complete(trial=_trial(gpus=gpus))
    assert _ending(heard).ending == ending


def test_a_trial_that_cannot_be_kept_ends_the_study(relay: StudyCallback) -> None:
    failure = TrialFailure("storage", "Traceback\nOSError: [Errno 28] No space left on device: 'a'")
    with pytest.raises(UserError, match=r"trial 004 cannot be stored: OSError: .*No space left"):
        relay.on_trial_result(trial=_trial(), result={"failure": failure})
    assert relay.failure is not None


def test_an_observer_that_fails_as_a_trial_ends_ends_the_study(settings: StudySettings) -> None:
    class Broken:
        def on_event(self, event: Event) -> None:
            if isinstance(event, TrialEnded):
                raise OSError("the bucket is away")

    relay = StudyCallback([Broken()], StudyScheduler(settings), settings)
    relay.on_trial_start(trial=_trial())
    relay.on_step_end()
    with pytest.raises(OSError, match="away"):
        relay.on_trial_complete(trial=_trial())
    with pytest.raises(OSError, match="away"):
        relay.on_step_end()


def test_a_trial_whose_worker_died_before_it_began_is_told_as_failed(
    heard: Heard, settings: StudySettings
) -> None:
    StudyCallback([heard], StudyScheduler(settings), settings).on_trial_error(trial=_trial())
    started, ended = heard
    assert isinstance(started, TrialStarted)
    assert isinstance(ended, TrialEnded)
    assert ended.ending == "failed"


def test_of_a_trial_that_is_over_ray_keeps_no_metrics(relay: StudyCallback) -> None:
    trial = _trial()
    relay.on_trial_complete(trial=trial)
    assert (trial.last_result, trial.metric_analysis, trial.metric_n_steps) == ({}, {}, {})
