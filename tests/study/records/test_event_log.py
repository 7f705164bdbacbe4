import errno
import os
import re
from contextlib import closing
from pathlib import Path

import pytest

from fer_tune.common.errors import UserError
from fer_tune.events import EpochEnded, Event, TrialEnded, TrialStarted
from fer_tune.scoring.metrics import EpochResult
from fer_tune.study.records.event_log import (
    FILE,
    EventLog,
    EventLogReader,
    read_checked_trials,
    read_events,
    read_trials,
)
from fer_tune.study.records.settings import StudySettings
from fer_tune.trial_config import TrialConfig

CONFIG = TrialConfig(depth=2)


def _epoch(number: int, epoch: int, score: float = 0.5) -> EpochEnded:
    result = EpochResult(epoch, {"val/macro_f1": score}, [[1, 2], [3, 4]])
    return EpochEnded(number=number, result=result)


# Two trials: one is completed, one is interrupted in its second epoch.
EVENTS: list[Event] = [
    TrialStarted(number=0, name="000", config=TrialConfig()),
    TrialStarted(number=1, name="001", config=CONFIG),
    _epoch(0, 1),
    _epoch(0, 2),
    _epoch(1, 1),
    TrialEnded(number=0, ending="finished"),
    TrialEnded(number=1, ending="interrupted", error=None),
]


def _write_events(folder: Path, *events: Event) -> None:
    with closing(EventLog(folder)) as log:
        for event in events:
            log.on_event(event)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    _write_events(tmp_path, *EVENTS)
    return tmp_path


def test_events_are_read_as_they_were_written(folder: Path) -> None:
    assert list(read_events(folder)) == EVENTS


def test_the_log_of_trials_does_not_mention_repeats(folder: Path) -> None:
    assert "repeat" not in (folder / FILE).read_text()


def test_trials_are_built_from_their_events(folder: Path) -> None:
    completed, interrupted = read_trials(folder)
    assert [result.epoch for result in completed.history] == [1, 2]
    assert (completed.ending, completed.has_final_status) == ("finished", True)
    assert interrupted.config == CONFIG
    assert (interrupted.ending, interrupted.has_final_status) == ("interrupted", False)


def test_a_line_torn_by_a_kill_is_skipped_and_then_overwritten(folder: Path) -> None:
    with (folder / FILE).open("a") as file:
        file.write('{"number": 1, "ti')
    assert list(read_events(folder)) == EVENTS
    _write_events(folder, EVENTS[1], _epoch(1, 2))
    assert [result.epoch for result in read_trials(folder)[1].history] == [1, 2]


def test_a_resumed_trial_is_no_longer_interrupted(folder: Path) -> None:
    _write_events(folder, EVENTS[1])
    assert read_trials(folder)[1].ending is None
    assert len(read_trials(folder)[1].history) == 1


def test_a_trial_of_an_earlier_version_gets_its_steps_as_it_is_resumed(folder: Path) -> None:
    assert read_trials(folder)[1].steps_per_epoch is None
    sizes = {"faces_per_epoch": 90, "steps_per_epoch": 2}
    _write_events(folder, EVENTS[1].model_copy(update=sizes), EVENTS[1])
    trial = read_trials(folder)[1]
    assert (trial.faces_per_epoch, trial.steps_per_epoch) == (90, 2)


def test_of_an_epoch_that_is_logged_twice_the_first_counts(folder: Path) -> None:
    _write_events(folder, EVENTS[1], _epoch(1, 2), EVENTS[1], _epoch(1, 1, 0.7), _epoch(1, 3))
    history = read_trials(folder)[1].history
    assert [result.epoch for result in history] == [1, 2, 3]
    assert history[0].metrics["val/macro_f1"] != 0.7


def test_a_line_changed_by_hand_is_reported_with_its_number(folder: Path) -> None:
    lines = (folder / FILE).read_text().splitlines(keepends=True)
    lines[2] = lines[2].replace("result", "rseult")
    (folder / FILE).write_text("".join(lines))
    with pytest.raises(UserError, match="line 3 is no event"):
        read_trials(folder)


@pytest.mark.parametrize(
    ("line", "problem"),
    [
        ('{"number":1,"kind":"promoted"}', "promoted"),  # of a newer version
        ('{"number":1,"kind":"started","name":"a"}', "started.config: it is missing"),
        ('{"number":1,"kind', "Invalid JSON"),
        ("\ufffd", "Invalid JSON"),
    ],
)
def test_what_is_wrong_with_a_line_is_named(tmp_path: Path, line: str, problem: str) -> None:
    (tmp_path / FILE).write_text(line + "\n", encoding="utf-8")
    with pytest.raises(UserError, match=f"line 1 is no event .*{re.escape(problem)}") as error:
        read_trials(tmp_path)
    assert "\n" not in str(error.value)


def test_new_fields_of_a_newer_version_are_left_out(tmp_path: Path) -> None:
    line = EVENTS[0].model_dump_json().replace("{", '{"host":"a",', 1)
    (tmp_path / FILE).write_text(line + "\n")
    assert list(read_events(tmp_path)) == EVENTS[:1]


def test_a_full_disk_is_reported_with_the_name_of_the_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(_: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "fsync", full)
    problem = f"{tmp_path / FILE} cannot be written: No space left on device"
    with closing(EventLog(tmp_path)) as log, pytest.raises(UserError, match=problem):
        log.on_event(EVENTS[0])


def test_a_log_is_read_while_it_is_written(tmp_path: Path) -> None:
    reader = EventLogReader(tmp_path)
    assert (reader.count_unread(), reader.read_next(9)) == (0, [])
    _write_events(tmp_path, *EVENTS[:3])
    assert reader.count_unread() == 3
    assert reader.read_next(2) == EVENTS[:2]
    _write_events(tmp_path, *EVENTS[3:])
    assert reader.count_unread() == len(EVENTS) - 2
    assert reader.read_next(99) == EVENTS[2:]
    assert (reader.count_unread(), reader.read_next(99)) == (0, [])


def test_a_reader_waits_for_the_rest_of_a_line(folder: Path) -> None:
    reader, line = EventLogReader(folder), EVENTS[1].model_dump_json() + "\n"
    with (folder / FILE).open("a") as file:
        file.write(line[:20])
        file.flush()
        assert reader.count_unread() == len(EVENTS)
        assert reader.read_next(99) == EVENTS
        assert (reader.count_unread(), reader.read_next(99)) == (0, [])
        file.write(line[20:])
    assert reader.read_next(99) == [EVENTS[1]]


def test_a_reader_stays_before_a_line_changed_by_hand(folder: Path) -> None:
    reader = EventLogReader(folder)
    lines = (folder / FILE).read_text().splitlines(keepends=True)
    (folder / FILE).write_text("".join([*lines[:4], "{}\n", *lines[5:]]))
    assert reader.read_next(4) == EVENTS[:4]
    for _ in range(2):
        with pytest.raises(UserError, match="line 5 is no event"):
            reader.read_next(4)
    assert reader.count_unread() == len(EVENTS) - 4


def test_a_folder_without_a_log_has_no_trials(tmp_path: Path) -> None:
    assert read_trials(tmp_path) == []


def _make_consistent_events(*changed: Event) -> list[Event]:
    result = EpochResult(1, {"val/macro_f1": 0.5, "gap": 0.1}, [[1, 2], [3, 4]])
    return [*EVENTS[:2], EpochEnded(number=0, result=result), *changed]


def test_a_log_that_fits_its_study_is_accepted(tmp_path: Path, settings: StudySettings) -> None:
    repeat = TrialStarted(number=2_000_001, name="001", config=CONFIG, repeat_of=1)
    _write_events(tmp_path, *_make_consistent_events(EVENTS[-1], repeat))
    trials = read_checked_trials(tmp_path, settings)
    assert [trial.number for trial in trials.to_list()] == [0, 1]
    assert [trial.repeat_of for trial in trials.list_repeats()] == [1]


@pytest.mark.parametrize(
    "wrong",
    [
        _epoch(2, 1),  # of a trial that did not begin
        TrialEnded(number=7, ending="finished"),
        _epoch(0, 2),  # without the gap
        EpochEnded(number=1, result=EpochResult(2, {"val/macro_f1": 0.5, "gap": 0.1}, [])),
        EpochEnded(number=0, result=EpochResult(0, {"val/macro_f1": 0.5, "gap": 0.1}, [])),
        EpochEnded(number=0, result=EpochResult(1, {"val/makro_f1": 0.5, "gap": 0.1}, [])),
        TrialStarted(number=2, name="002", config=TrialConfig(learning_rate=0.9)),
        TrialStarted(number=-1, name="-01", config=TrialConfig()),
        TrialStarted(number=9, name="009", config=TrialConfig(), repeat_of=8),  # it did not begin
        TrialStarted(number=9, name="009", config=TrialConfig(), repeat_of=9),
    ],
)
def test_an_event_that_does_not_fit_its_study_is_reported_with_its_line(
    tmp_path: Path, settings: StudySettings, wrong: Event
) -> None:
    _write_events(tmp_path, *_make_consistent_events(wrong))
    with pytest.raises(UserError, match="line 4 does not belong to study tested"):
        read_checked_trials(tmp_path, settings)
