"""Studies whose trials train nothing, on a local Ray that pretends to have a GPU."""

import math
import os
import signal
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from ray import tune

from fer_tune.common.disk_or_bucket import DiskDirectory
from fer_tune.common.errors import UserError
from fer_tune.events import EpochEnded, Event, Observer, TrialEnded, TrialRemarked, TrialStarted
from fer_tune.scoring.metrics import EpochResult
from fer_tune.study.records.checkpoint_pruner import checkpoint_directory
from fer_tune.study.records.event_log import EventLog, read_events, read_trials
from fer_tune.study.records.settings import StudySettings
from fer_tune.study.records.study_storage import StudyStorage
from fer_tune.study.records.trial_record import TrialRecords
from fer_tune.study.tune.failure import TrialFailure
from fer_tune.study.tune.ray_scheduler import StudyScheduler
from fer_tune.study.tune.ray_session import RAY_ENVIRONMENT
from fer_tune.study.tune.resources import ResourceAllocation, RunResources
from fer_tune.study.tune.shared_data import SharedStudyData
from fer_tune.study.tune.trainable import NOT_RESTORED, RestoreOutcome, TrialOptions, report_epoch
from fer_tune.study.tune.tuner import Trainable, run_study


class EventList(list[Event]):
    """An observer that stores its events."""

    on_event = list.append


@pytest.fixture(scope="module")
def _ray() -> Iterator[None]:
    import ray

    with pytest.MonkeyPatch.context() as patch:
        for name, value in RAY_ENVIRONMENT.items():
            patch.setenv(name, value)
        ray.init("local", num_cpus=2, num_gpus=1, include_dashboard=False, log_to_driver=False)
        yield
        ray.shutdown()


def _train(
    config: dict[str, Any], options: TrialOptions, begun: RestoreOutcome = NOT_RESTORED
) -> None:
    for epoch in range(1, options.epochs + 1):
        score = 1 - 1 / (2 + config["number"] + epoch)
        report_epoch(EpochResult(epoch, {options.metric: score}, []), options.metric, begun)


def _fail(kind: Any, options: TrialOptions) -> None:
    failure = TrialFailure(kind, f"Traceback\nIt was the {kind}.")
    tune.report({options.metric: math.nan, "epoch": 0, "failure": failure})


def run_out_of_memory(
    config: dict[str, Any],
    faces: SharedStudyData,  # noqa: ARG001
    options: TrialOptions,
) -> None:
    """Run out of memory in the second trial, after an epoch, on a fraction of a GPU."""
    if config["number"] == 1 and config["gpus"] < 1:
        report_epoch(EpochResult(1, {options.metric: 1 - 1 / 4}, []), options.metric)
        return _fail("memory", options)
    return _train(config, options, RestoreOutcome(1) if config["number"] == 1 else NOT_RESTORED)


def fail_once(config: dict[str, Any], faces: SharedStudyData, options: TrialOptions) -> None:  # noqa: ARG001
    """Fail in the second trial."""
    return _fail("error", options) if config["number"] == 1 else _train(config, options)


def resume_from_files(
    config: dict[str, Any],
    faces: SharedStudyData,  # noqa: ARG001
    options: TrialOptions,
) -> None:
    """Write a file for each epoch into the folder of the trial's checkpoints."""
    number = config["number"]
    directory = checkpoint_directory(options.shared_dir, number)
    for epoch in range(1, options.epochs + 1):
        if str(epoch) not in directory.list_names():
            directory.write(str(epoch), str(os.getpid()).encode())
        restored = RestoreOutcome(len(directory.list_names()))
        score = number * 7 % 12 / 12
        report_epoch(
            EpochResult(epoch, {options.metric: score, "gap": 0}, []), options.metric, restored
        )


class FullObserver:
    """An observer that raises after so many events."""

    def __init__(self, events: int) -> None:
        self._left = events

    def on_event(self, event: Event) -> None:
        self._left -= 1
        if self._left < 0:
            raise UserError("the disk is full")


class FailingObserver:
    """An observer that raises once, at the end of a trial."""

    def __init__(self) -> None:
        self._failed = False

    def on_event(self, event: Event) -> None:
        if isinstance(event, TrialEnded) and not self._failed:
            self._failed = True
            raise UserError("the bucket was away")


def _run(folder: Path, settings: StudySettings, train: Trainable, gpus: float) -> list[Event]:
    events = EventList()
    place = StudyStorage(str(folder)).write_settings(settings)
    context = RunResources(place, DiskDirectory(place), ResourceAllocation(2, 1, gpus), 2)
    run_study(settings, {}, context, TrialRecords(), [events], train)
    return events


@pytest.fixture
def few(settings: StudySettings) -> StudySettings:
    return settings.model_copy(update={"trials": 3, "epochs": 3, "grace": 3})


@pytest.mark.usefixtures("_ray")
def test_a_trial_out_of_memory_resumes_with_a_whole_gpu(tmp_path: Path, few: StudySettings) -> None:
    events = _run(tmp_path, few, run_out_of_memory, gpus=0.25)
    endings = [(e.number, e.ending) for e in events if isinstance(e, TrialEnded)]
    assert sorted(endings) == [
        (0, "finished"),
        (1, "finished"),
        (1, "interrupted"),
        (2, "finished"),
    ]
    epochs = [e.result.epoch for e in events if e.kind == "epoch" and e.number == 1]
    assert epochs == [1, 2, 3]
    remarks = [e.remark for e in events if isinstance(e, TrialRemarked)]
    assert "it gets a whole GPU" in remarks[0]


@pytest.mark.usefixtures("_ray")
def test_a_failed_trial_fails_once_and_the_study_continues(
    tmp_path: Path, few: StudySettings
) -> None:
    events = _run(tmp_path, few, fail_once, gpus=0)
    endings = {e.number: (e.ending, e.error) for e in events if isinstance(e, TrialEnded)}
    assert endings == {
        0: ("finished", None),
        1: ("failed", "Traceback\nIt was the error."),
        2: ("finished", None),
    }


@pytest.fixture
def promoting(settings: StudySettings) -> StudySettings:
    return settings.model_copy(update={"scheduler": "asha-promotion", "trials": 12})


@pytest.mark.usefixtures("_ray")
def test_an_observer_that_fails_once_ends_the_study(tmp_path: Path, few: StudySettings) -> None:
    place = StudyStorage(str(tmp_path)).write_settings(few)
    context = RunResources(place, DiskDirectory(place), ResourceAllocation(2, 1, 0), 2)
    events = EventList()
    observers: list[Observer] = [events, FailingObserver()]
    with pytest.raises(UserError, match="was away"):
        run_study(few, {}, context, TrialRecords(), observers, resume_from_files)
    started = [event.number for event in events if isinstance(event, TrialStarted)]
    assert len(started) == len(set(started))


@pytest.mark.usefixtures("_ray")
def test_paused_trials_resume_also_after_the_study_failed(
    tmp_path: Path, promoting: StudySettings
) -> None:
    place = StudyStorage(str(tmp_path)).write_settings(promoting)
    # With trials at once, their speed decides whether ASHA resumes one.
    context = RunResources(place, DiskDirectory(place), ResourceAllocation(1, 1, 0), 1)
    with closing(EventLog(context.local_dir)) as log:
        observers: list[Observer] = [log, FullObserver(25)]
        with pytest.raises(UserError, match="full"):
            run_study(promoting, {}, context, TrialRecords(), observers, resume_from_files)
        records = TrialRecords(read_events(context.local_dir))
        before = {each.number for each in records.to_list() if each.ending == "paused"}
        run_study(promoting, {}, context, records, [log], resume_from_files)
    trials = records.to_list()
    assert trials == read_trials(context.local_dir)
    assert {each.ending for each in trials} == {"finished", "stopped"}
    course = [(each.number, each) for each in read_events(context.local_dir)]
    for number, epochs in enumerate(len(each.history) for each in trials):
        own = [event for n, event in course if n == number]
        reported = [each.result.epoch for each in own if isinstance(each, EpochEnded)]
        assert reported == list(range(1, epochs + 1))
    # It stays paused as after the first run, or resumes as ASHA decides.
    assert before
    scheduler, resumed = StudyScheduler(promoting), set[int]()
    for number, event in course:
        if isinstance(event, TrialStarted) and number in scheduler.asha.paused:
            resumed.add(number)
        scheduler.replay_event(event)
    assert resumed
    assert not scheduler.asha.paused
    assert scheduler.pruned == {each.number for each in trials if each.ending == "stopped"}
    directories = [checkpoint_directory(context.shared_dir, each.number) for each in trials]
    workers = {folder.read(name) for folder in directories for name in folder.list_names()}
    assert len(workers) <= 2  # one in each run, however many trials paused


def _run_logged(
    folder: Path, settings: StudySettings, *others: Observer
) -> tuple[TrialRecords, list[Event]]:
    """Run or resume a study, one trial at a time; return its records and its event log."""
    place = StudyStorage(str(folder)).write_settings(settings)
    context = RunResources(place, DiskDirectory(place), ResourceAllocation(1, 1, 0), 1)
    records = TrialRecords(read_events(place))
    with closing(EventLog(place)) as log:
        run_study(settings, {}, context, records, [log, *others], resume_from_files)
    return records, list(read_events(place))


@pytest.mark.usefixtures("_ray")
def test_the_repeats_of_finalists_follow_the_trials_and_change_nothing_about_them(
    tmp_path: Path, promoting: StudySettings
) -> None:
    settings = promoting.model_copy(update={"trials": 4})
    _, plain = _run_logged(tmp_path / "plain", settings)
    with_finalists = settings.model_copy(update={"finalists": 2})
    with pytest.raises(UserError, match="full"):  # within the first repeat
        _run_logged(tmp_path / "some", with_finalists, FullObserver(len(plain) + 4))
    records, events = _run_logged(tmp_path / "some", with_finalists)
    unchanged = [event.model_copy(update={"time": 0}) for event in events[: len(plain)]]
    assert unchanged == [event.model_copy(update={"time": 0}) for event in plain]
    repeats = records.list_repeats()
    assert [repeat.number for repeat in repeats] == [2_000_001, 2_000_003, 3_000_001, 3_000_003]
    assert {repeat.ending for repeat in repeats} == {"finished"}  # no scheduler stops them
    for repeat in repeats:
        own = [e for e in events if e.number == repeat.number and isinstance(e, EpochEnded)]
        assert [event.result.epoch for event in own] == list(range(1, settings.epochs + 1))
    assert {event.number for event in events[len(plain) :]} == {each.number for each in repeats}


@pytest.mark.usefixtures("_ray")
def test_more_trials_of_a_study_with_repeats_may_become_finalists(
    tmp_path: Path, few: StudySettings
) -> None:
    settings = few.model_copy(update={"trials": 1, "finalists": 1, "grace": 1})
    _, first = _run_logged(tmp_path, settings)
    # The scheduler compares the new trials with trials only.
    records, events = _run_logged(tmp_path, settings.model_copy(update={"trials": 3}))
    assert events[: len(first)] == first
    assert [(trial.number, trial.ending) for trial in records.to_list()] == [
        *((0, "finished"), (1, "finished"), (2, "stopped"))
    ]
    finalists = {repeat.repeat_of for repeat in records.list_repeats()}
    assert finalists == {0, 1}
    assert len(records.list_repeats()) == 4


@pytest.mark.usefixtures("_ray")
def test_a_study_restores_the_handler_of_ctrl_c(tmp_path: Path, few: StudySettings) -> None:
    def own(*_: object) -> None: ...

    before = signal.signal(signal.SIGINT, own)
    try:
        _run(tmp_path, few, fail_once, gpus=0)
        assert signal.getsignal(signal.SIGINT) is own
    finally:
        signal.signal(signal.SIGINT, before)
