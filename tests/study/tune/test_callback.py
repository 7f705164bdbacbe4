import signal
import threading
from pathlib import Path
from types import SimpleNamespace
from typing import Any, Literal

import pytest

from fer_tune.common.errors import UserError
from fer_tune.events import EpochEnded, Event, Observer, TrialEnded, TrialRemarked, TrialStarted
from fer_tune.scoring.metrics import EpochResult
from fer_tune.study.records.settings import StudySettings
from fer_tune.study.records.trial_record import TrialRecords
from fer_tune.study.tune.callback import StudyCallback
from fer_tune.study.tune.failure import TrialFailure
from fer_tune.study.tune.ray_scheduler import StudyScheduler
from fer_tune.study.tune.trainable import NOT_RESTORED, RestoreOutcome
from fer_tune.trial_config import BASELINE


class EventList(list[Event]):
    """An observer that stores its events."""

    on_event = list.append


@pytest.fixture
def events() -> EventList:
    return EventList()


def _make_callback(
    observer: Observer, settings: StudySettings, epochs: int = 0, faces: int | None = None
) -> StudyCallback:
    """Return a callback.

    epochs: number of epochs that trial 4 has, if it was started earlier.
    faces: number of faces in an epoch.
    """
    records = TrialRecords()
    if epochs:
        records.on_event(TrialStarted(number=4, name="", config=BASELINE))
    for epoch in range(1, epochs + 1):
        result = EpochResult(epoch, {"val/macro_f1": 0.5}, [])
        records.on_event(EpochEnded(number=4, result=result))
    observers, scheduler = [records, observer], StudyScheduler(settings)
    return StudyCallback(observers, scheduler, settings, records, lambda _: faces)


@pytest.fixture
def callback(events: EventList, settings: StudySettings) -> StudyCallback:
    """A callback after the start of trial 4."""
    callback = _make_callback(events, settings)
    callback.on_trial_start(trial=_trial())
    return callback


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


def _report(callback: StudyCallback, epoch: int, restored: RestoreOutcome = NOT_RESTORED) -> None:
    result = EpochResult(epoch, {"val/macro_f1": 0.5}, [])
    callback.on_trial_result(trial=_trial(), result={"result": result, "restored": restored})


def _ending(events: EventList) -> TrialEnded:
    (ended,) = (event for event in events if isinstance(event, TrialEnded))
    return ended


def test_a_start_event_has_number_name_and_configuration(
    callback: StudyCallback, events: EventList
) -> None:
    assert callback
    started = events[0]
    assert isinstance(started, TrialStarted)
    assert (started.number, started.name) == (4, "004 lr 1e-3 depth 2")
    assert started.config.depth == 2


def test_a_start_event_has_the_faces_and_steps_of_an_epoch(
    events: EventList, settings: StudySettings
) -> None:
    callback = _make_callback(events, settings, faces=1000)
    callback.on_trial_start(trial=_trial())
    (started,) = events
    assert isinstance(started, TrialStarted)
    assert (started.faces_per_epoch, started.steps_per_epoch) == (1000, 8)  # batches of 128


def test_absent_parameters_are_in_the_event_and_not_in_the_name(
    events: EventList, conditional: StudySettings
) -> None:
    _make_callback(events, conditional).on_trial_start(trial=_trial())
    (started,) = events
    assert isinstance(started, TrialStarted)
    assert started.name == "004 lr 1e-3"
    assert started.absent == ("mixup",)


def test_a_trial_with_all_epochs_is_finished(callback: StudyCallback, events: EventList) -> None:
    for epoch in range(1, 10):
        _report(callback, epoch)
    callback.on_trial_complete(trial=_trial())
    assert _ending(events).ending == "finished"
    assert [event.result.epoch for event in events if isinstance(event, EpochEnded)][-1] == 9


def test_a_trial_that_asha_stops_is_stopped(callback: StudyCallback, events: EventList) -> None:
    _report(callback, 1)
    callback.scheduler.pruned.add(4)
    callback.on_trial_complete(trial=_trial())
    assert _ending(events).ending == "stopped"


def test_a_paused_trial_resumes_without_repeating_events(
    events: EventList, settings: StudySettings
) -> None:
    promoting = settings.model_copy(update={"scheduler": "asha-promotion"})
    callback = _make_callback(events, promoting)
    callback.on_trial_start(trial=_trial())
    _report(callback, 1)
    callback.scheduler.asha.decide(4, 1, 0.5)
    callback.on_trial_complete(trial=_trial())
    assert _ending(events).ending == "paused"
    callback.on_trial_start(trial=_trial())
    for epoch in (1, 2):
        _report(callback, epoch, RestoreOutcome(1))
    assert [event.result.epoch for event in events if isinstance(event, EpochEnded)] == [1, 2]


def test_a_trial_that_neither_finished_nor_stopped_is_interrupted(
    callback: StudyCallback, events: EventList
) -> None:
    _report(callback, 1)
    callback.end_running_trials()
    callback.on_trial_complete(trial=_trial())
    assert _ending(events).ending == "interrupted"


def test_a_trial_that_is_stopped_before_it_starts_leaves_no_event(
    events: EventList, settings: StudySettings
) -> None:
    _make_callback(events, settings).on_trial_complete(trial=_trial())
    assert not events


def test_a_failed_trial_has_its_whole_traceback(
    callback: StudyCallback, events: EventList, tmp_path: Path
) -> None:
    (tmp_path / "error.txt").write_text("Traceback\n  line\nDiverged: nan\n")
    callback.on_trial_error(trial=_trial(tmp_path / "error.txt"))
    assert _ending(events).ending == "failed"
    assert _ending(events).error == "Traceback\n  line\nDiverged: nan"


def test_a_trial_whose_worker_died_resumes_with_new_epochs_only(
    callback: StudyCallback, events: EventList
) -> None:
    for epoch in (1, 2):
        _report(callback, epoch)
    callback.on_trial_recover(trial=_trial())
    assert _ending(events).ending == "interrupted"
    assert any(isinstance(event, TrialRemarked) and "died" in event.remark for event in events)
    callback.on_trial_start(trial=_trial())
    for epoch in (1, 2, 3):
        _report(callback, epoch, RestoreOutcome(2))
    epochs = [event.result.epoch for event in events if isinstance(event, EpochEnded)]
    assert epochs == [1, 2, 3]


@pytest.mark.parametrize(
    ("restored", "told"),
    [
        (RestoreOutcome(2), []),
        (RestoreOutcome(0), ["its newest checkpoint is gone; it is trained again from epoch 1"]),
        (RestoreOutcome(0, "a: broken"), ["a: broken; it is trained again from epoch 1"]),
        (RestoreOutcome(1), ["its newest checkpoint is gone; it is trained again from epoch 2"]),
    ],
)
def test_a_lost_checkpoint_is_reported_and_its_epochs_are_not_repeated(
    events: EventList, settings: StudySettings, restored: RestoreOutcome, told: list[str]
) -> None:
    callback = _make_callback(events, settings, epochs=2)
    callback.on_trial_start(trial=_trial())
    for epoch in (1, 2, 3):
        _report(callback, epoch, restored)
    remarks = [event.remark for event in events if isinstance(event, TrialRemarked)]
    assert remarks == [f"{text}, but the recorded results up to epoch 2 stay" for text in told]
    assert [event.result.epoch for event in events if isinstance(event, EpochEnded)] == [3]


def test_a_resumed_trial_reports_epochs_after_those_in_the_event_log(
    events: EventList, settings: StudySettings
) -> None:
    callback = _make_callback(events, settings, epochs=2)
    callback.on_trial_start(trial=_trial())
    for epoch in (1, 2, 3):
        _report(callback, epoch, RestoreOutcome(2))
    assert [event.result.epoch for event in events if isinstance(event, EpochEnded)] == [3]


@pytest.mark.parametrize(
    ("gpus", "kind", "ending"),
    [(0.25, "memory", "interrupted"), (1, "memory", "failed"), (0.25, "error", "failed")],
)
def test_a_failed_trial_is_failed_unless_it_is_tried_again(
    callback: StudyCallback,
    events: EventList,
    gpus: float,
    kind: Literal["memory", "error"],
    ending: str,
) -> None:
    failure = TrialFailure(kind, "Traceback\nOutOfMemoryError: CUDA")
    trial = _trial(gpus=gpus)
    callback.on_trial_result(trial=trial, result={"failure": failure})
    trial.last_result = {"failure": failure}  # as Ray does
    callback.on_trial_complete(trial=trial)
    assert _ending(events).ending == ending


def test_a_trial_that_cannot_be_stored_ends_the_study(callback: StudyCallback) -> None:
    failure = TrialFailure("storage", "Traceback\nOSError: [Errno 28] No space left on device: 'a'")
    with pytest.raises(UserError, match=r"trial 004 cannot be stored: OSError: .*No space left"):
        callback.on_trial_result(trial=_trial(), result={"failure": failure})
    assert callback.failure is not None


def test_an_observer_that_fails_at_a_trials_end_ends_the_study(settings: StudySettings) -> None:
    class Broken:
        def on_event(self, event: Event) -> None:
            if isinstance(event, TrialEnded):
                raise OSError("the bucket is away")

    callback = _make_callback(Broken(), settings)
    callback.on_trial_start(trial=_trial())
    callback.on_step_end()
    with pytest.raises(OSError, match="away"):
        callback.on_trial_complete(trial=_trial())
    with pytest.raises(OSError, match="away"):
        callback.on_step_end()


def test_a_trial_whose_worker_died_before_its_start_is_failed(
    events: EventList, settings: StudySettings
) -> None:
    _make_callback(events, settings).on_trial_error(trial=_trial())
    started, ended = events
    assert isinstance(started, TrialStarted)
    assert isinstance(ended, TrialEnded)
    assert ended.ending == "failed"


def test_ray_keeps_no_metrics_of_an_ended_trial(callback: StudyCallback) -> None:
    trial = _trial()
    callback.on_trial_complete(trial=trial)
    assert (trial.last_result, trial.metric_analysis, trial.metric_n_steps) == ({}, {}, {})


def test_workers_are_killed_after_ctrl_c_only(
    callback: StudyCallback, monkeypatch: pytest.MonkeyPatch
) -> None:
    killed: list[object] = []
    monkeypatch.setattr("ray.kill", killed.append)
    before = signal.signal(signal.SIGINT, lambda *_: None)
    callback.setup()
    callback.on_step_end()
    assert not killed
    signal.signal(signal.SIGINT, before)  # as Ray Tune's handler does
    other = threading.Thread(target=callback.on_step_end)  # for which Ray Tune sets no handler
    other.start()
    other.join()
    assert not killed
    callback.on_step_end()
    assert killed == ["a worker"]
