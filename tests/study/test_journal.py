from contextlib import closing
from pathlib import Path

import pytest

from fer_tune.study.journal import FILE, Journal, read_journal, read_trials, tell_again
from fer_tune.training.config import TrialConfig
from fer_tune.training.metrics import Ending, EpochResult

CONFIG = TrialConfig(depth=2)


def _result(epoch: int) -> EpochResult:
    return EpochResult(epoch, {"val/macro_f1": epoch / 10}, [[1, 2], [3, 4]])


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Two trials told to a journal: one finished, one interrupted in its second epoch."""
    with closing(Journal(tmp_path)) as journal:
        journal.trial_started(0, "000", TrialConfig())
        journal.trial_started(1, "001", CONFIG)
        for epoch in (1, 2):
            journal.epoch_ended(0, _result(epoch))
        journal.epoch_ended(1, _result(1))
        journal.trial_ended(0, "finished", None)
        journal.trial_ended(1, "interrupted", None)
    return tmp_path


def test_trials_read_back_as_they_were_told(folder: Path) -> None:
    finished, interrupted = read_trials(folder)
    assert finished.history == [_result(1), _result(2)]
    assert (finished.ending, finished.is_over) == ("finished", True)
    assert interrupted.config == CONFIG
    assert (interrupted.ending, interrupted.is_over) == ("interrupted", False)


def test_a_line_torn_by_a_kill_is_passed_over_and_then_overwritten(folder: Path) -> None:
    with (folder / FILE).open("a") as file:
        file.write('{"event": "epoch", "tri')
    assert len(read_trials(folder)[1].history) == 1
    with closing(Journal(folder)) as journal:
        journal.trial_started(1, "001", CONFIG)
        journal.epoch_ended(1, _result(2))
    assert [each.epoch for each in read_trials(folder)[1].history] == [1, 2]


def test_a_trial_that_goes_on_is_no_longer_interrupted(folder: Path) -> None:
    with closing(Journal(folder)) as journal:
        journal.trial_started(1, "001", CONFIG)
    assert read_trials(folder)[1].ending is None
    assert len(read_trials(folder)[1].history) == 1


def test_events_keep_the_order_in_which_they_came(folder: Path) -> None:
    events = [(record.number, event) for record, event in read_journal(folder)]
    assert events[:3] == [(0, "started"), (1, "started"), (0, "epoch")]


def test_a_folder_without_a_journal_has_no_trials(tmp_path: Path) -> None:
    assert read_trials(tmp_path) == []


def test_an_observer_told_again_hears_what_the_journal_heard(folder: Path) -> None:
    class Heard:
        def __init__(self) -> None:
            self.told: list[object] = []

        def trial_started(self, number: int, name: str, config: TrialConfig) -> None:
            self.told.append((number, name, config))

        def epoch_ended(self, number: int, result: EpochResult) -> None:
            self.told.append((number, result))

        def trial_ended(self, number: int, ending: Ending, error: str | None) -> None:
            self.told.append((number, ending, error))

    heard = Heard()
    tell_again(folder, heard)
    assert heard.told == [
        (0, "000", TrialConfig()),
        (1, "001", CONFIG),
        (0, _result(1)),
        (0, _result(2)),
        (1, _result(1)),
        (0, "finished", None),
        (1, "interrupted", None),
    ]
