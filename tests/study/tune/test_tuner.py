"""Studies whose trials train nothing, on a Ray of their own that believes it has a GPU."""

import math
import os
import signal
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from ray import tune

from fer_tune.common.errors import UserError
from fer_tune.events import EpochEnded, Event, TrialEnded, TrialRemarked, TrialStarted
from fer_tune.scoring.metrics import EpochResult
from fer_tune.study.records.checkpoint_pruner import checkpoint_directory
from fer_tune.study.records.event_log import EventLog, read_events, read_trials
from fer_tune.study.records.settings import StudySettings, write_settings
from fer_tune.study.tune.failure import TrialFailure
from fer_tune.study.tune.ray_session import RAY_ENVIRONMENT
from fer_tune.study.tune.resources import ResourceAllocation
from fer_tune.study.tune.scheduler import StudyScheduler
from fer_tune.study.tune.shared_data import SharedStudyData
from fer_tune.study.tune.trainable import NOT_RESTORED, RestoreInfo, TrialOptions, report_epoch
from fer_tune.study.tune.tuner import RunContext, Trainable, run_study


class Heard(list[Event]):
    """An observer that remembers."""

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
    config: dict[str, Any], options: TrialOptions, begun: RestoreInfo = NOT_RESTORED
) -> None:
    for epoch in range(1, options.epochs + 1):
        score = 1 - 1 / (2 + config["number"] + epoch)
        report_epoch(EpochResult(epoch, {options.metric: score}, []), options.metric, begun)


def _fail(kind: Any, options: TrialOptions) -> None:
    failure = TrialFailure(kind, f"Traceback\nIt was the {kind}.")
    tune.report({options.metric: math.nan, "epoch": 0, "failure": failure})


def too_large_for_a_part(
    config: dict[str, Any], faces: SharedStudyData, options: TrialOptions
) -> None:
    """The second trial is; it takes an epoch to find out."""
    if config["number"] == 1 and config["gpus"] < 1:
        report_epoch(EpochResult(1, {options.metric: 1 - 1 / 4}, []), options.metric)
        return _fail("memory", options)
    return _train(config, options, RestoreInfo(1) if config["number"] == 1 else NOT_RESTORED)


def broken(config: dict[str, Any], faces: SharedStudyData, options: TrialOptions) -> None:  # noqa: ARG001
    """The second trial is."""
    return _fail("error", options) if config["number"] == 1 else _train(config, options)


def goes_on_where_it_was(
    config: dict[str, Any], faces: SharedStudyData, options: TrialOptions
) -> None:
    """Keeps the epochs that it has trained, each a file, where trials keep their checkpoints."""
    number = config["number"]
    kept = checkpoint_directory(options.shared_dir, number)
    for epoch in range(1, options.epochs + 1):
        if str(epoch) not in kept.list_names():
            kept.write(str(epoch), str(os.getpid()).encode())
        begun = RestoreInfo(len(kept.list_names()))
        score = number * 7 % 12 / 12
        report_epoch(
            EpochResult(epoch, {options.metric: score, "gap": 0}, []), options.metric, begun
        )


class Full:
    """An observer that cannot take any more after so many events."""

    def __init__(self, events: int) -> None:
        self._left = events

    def on_event(self, event: Event) -> None:
        self._left -= 1
        if self._left < 0:
            raise UserError("the disk is full")


class Stumbles:
    """An observer that fails once, as a trial ends."""

    def __init__(self) -> None:
        self._failed = False

    def on_event(self, event: Event) -> None:
        if isinstance(event, TrialEnded) and not self._failed:
            self._failed = True
            raise UserError("the bucket was away")


def _run(folder: Path, settings: StudySettings, train: Trainable, gpus: float) -> list[Event]:
    heard = Heard()
    place = RunContext.on_this_machine(
        write_settings(folder, settings), ResourceAllocation(2, 1, gpus)
    )
    run_study(settings, {}, place, [heard], train)
    return heard


@pytest.fixture
def few(settings: StudySettings) -> StudySettings:
    return settings.model_copy(update={"trials": 3, "epochs": 3, "grace": 3})


@pytest.mark.usefixtures("_ray")
def test_a_trial_too_large_for_its_part_of_a_gpu_goes_on_with_a_whole_one(
    tmp_path: Path, few: StudySettings
) -> None:
    heard = _run(tmp_path, few, too_large_for_a_part, gpus=0.25)
    endings = [(e.number, e.ending) for e in heard if isinstance(e, TrialEnded)]
    assert sorted(endings) == [
        (0, "finished"),
        (1, "finished"),
        (1, "interrupted"),
        (2, "finished"),
    ]
    epochs = [e.result.epoch for e in heard if e.kind == "epoch" and e.number == 1]
    assert epochs == [1, 2, 3]
    remarks = [e.remark for e in heard if isinstance(e, TrialRemarked)]
    assert "it gets a whole GPU" in remarks[0]


@pytest.mark.usefixtures("_ray")
def test_a_broken_trial_is_failed_once_and_the_study_goes_on(
    tmp_path: Path, few: StudySettings
) -> None:
    heard = _run(tmp_path, few, broken, gpus=0)
    endings = {e.number: (e.ending, e.error) for e in heard if isinstance(e, TrialEnded)}
    assert endings == {
        0: ("finished", None),
        1: ("failed", "Traceback\nIt was the error."),
        2: ("finished", None),
    }


@pytest.fixture
def promoting(settings: StudySettings) -> StudySettings:
    return settings.model_copy(update={"scheduler": "asha-promotion", "trials": 12})


@pytest.mark.usefixtures("_ray")
def test_what_fails_once_as_a_trial_ends_ends_the_study(tmp_path: Path, few: StudySettings) -> None:
    place = RunContext.on_this_machine(write_settings(tmp_path, few), ResourceAllocation(2, 1, 0))
    heard = Heard()
    with pytest.raises(UserError, match="was away"):
        run_study(few, {}, place, [heard, Stumbles()], goes_on_where_it_was)
    begun = [event.number for event in heard if isinstance(event, TrialStarted)]
    assert len(begun) == len(set(begun))


@pytest.mark.usefixtures("_ray")
def test_paused_trials_go_on_where_they_were_also_after_what_ended_the_study(
    tmp_path: Path, promoting: StudySettings
) -> None:
    place = RunContext.on_this_machine(
        write_settings(tmp_path, promoting), ResourceAllocation(2, 1, 0)
    )
    with closing(EventLog(place.local_dir)) as journal:
        with pytest.raises(UserError, match="full"):
            run_study(promoting, {}, place, [journal, Full(25)], goes_on_where_it_was)
        before = {each.number for each in read_trials(place.local_dir) if each.ending == "paused"}
        trials = run_study(promoting, {}, place, [journal], goes_on_where_it_was)
    assert {each.ending for each in trials} == {"finished", "stopped"}
    course = [(each.number, each) for each in read_events(place.local_dir)]
    for number, epochs in enumerate(len(each.history) for each in trials):
        own = [event for n, event in course if n == number]
        told = [each.result.epoch for each in own if isinstance(each, EpochEnded)]
        assert told == list(range(1, epochs + 1))
    # It waits again where the first run left it, or goes on as the rungs would have it.
    assert before
    scheduler, went_on = StudyScheduler(promoting), set[int]()
    for number, event in course:
        if isinstance(event, TrialStarted) and number in scheduler.asha.paused:
            went_on.add(number)
        scheduler.replay_event(event)
    assert went_on
    assert not scheduler.asha.paused
    assert scheduler.pruned == {each.number for each in trials if each.ending == "stopped"}
    kept = [checkpoint_directory(place.shared_dir, each.number) for each in trials]
    workers = {folder.read(name) for folder in kept for name in folder.list_names()}
    assert len(workers) <= 4  # two at once, in two runs, whatever was paused


@pytest.mark.usefixtures("_ray")
def test_ctrl_c_after_a_study_does_what_it_did_before(tmp_path: Path, few: StudySettings) -> None:
    def own(*_: object) -> None: ...

    before = signal.signal(signal.SIGINT, own)
    try:
        _run(tmp_path, few, broken, gpus=0)
        assert signal.getsignal(signal.SIGINT) is own
    finally:
        signal.signal(signal.SIGINT, before)
