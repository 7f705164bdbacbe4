from pathlib import Path

import pytest

from fer_tune.common import atomic
from fer_tune.common.disk_or_bucket import DiskDirectory
from fer_tune.events import Ending, EpochEnded, Event, TrialEnded, TrialStarted
from fer_tune.scoring.metrics import EpochResult
from fer_tune.study.records.checkpoint_pruner import CheckpointPruner, checkpoint_directory
from fer_tune.study.records.trial_record import TrialRecords
from fer_tune.study.search_space.space import SearchSpace
from fer_tune.trial_config import BASELINE
from tests.settings import make_settings

DEPTH = {"type": "int", "low": 1, "high": 4}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """The folder of a study with six trials, each with a checkpoint."""
    for number in range(6):
        checkpoint_directory(DiskDirectory(tmp_path), number).write("state.pt", b"weights")
    return tmp_path


class _Pruner(CheckpointPruner):
    """A pruner for a folder, with records of six trials that get each event first."""

    def __init__(self, folder: Path, max_gap: float | None = None, finalists: int = 0) -> None:
        starts = (TrialStarted(number=number, name="", config=BASELINE) for number in range(6))
        self.records = TrialRecords(starts)
        limit = None if max_gap is None else {"gap": {"at_most": max_gap}}
        space = SearchSpace.model_validate({"parameters": {"depth": DEPTH}, "constraints": limit})
        settings = make_settings("tested", "own", space, finalists=finalists)
        super().__init__(DiskDirectory(folder), self.records, settings)

    def on_event(self, event: Event) -> None:
        self.records.on_event(event)
        super().on_event(event)


def _report(pruner: _Pruner, number: int, score: float | None, ending: Ending | None) -> None:
    if score is not None:
        result = EpochResult(1, {"val/macro_f1": score, "gap": 0.1}, [])
        pruner.on_event(EpochEnded(number=number, result=result))
    if ending:
        pruner.on_event(TrialEnded(number=number, ending=ending))


def _list_checkpoints(folder: Path) -> set[int]:
    return {
        number
        for number in range(6)
        if checkpoint_directory(DiskDirectory(folder), number).list_names()
    }


def test_the_best_trial_and_resumable_trials_keep_their_checkpoints(folder: Path) -> None:
    pruner = _Pruner(folder)
    _report(pruner, 0, 0.3, "finished")
    _report(pruner, 1, 0.2, "stopped")
    _report(pruner, 2, 0.5, "finished")
    _report(pruner, 3, None, "failed")
    _report(pruner, 4, 0.1, "interrupted")
    _report(pruner, 5, 0.1, None)
    assert _list_checkpoints(folder) == {2, 4, 5}


def test_a_paused_trial_keeps_its_checkpoint_until_it_is_pruned(folder: Path) -> None:
    pruner = _Pruner(folder)
    _report(pruner, 0, 0.5, "finished")
    _report(pruner, 1, 0.3, "paused")
    _report(pruner, 2, 0.6, "paused")
    assert {0, 1, 2} <= _list_checkpoints(folder)
    _report(pruner, 1, None, "stopped")
    _report(pruner, 2, None, "stopped")
    assert _list_checkpoints(folder) == {2, 3, 4, 5}


def test_the_best_trial_is_the_best_of_those_within_the_limit_for_the_gap(folder: Path) -> None:
    pruner = _Pruner(folder, max_gap=0.1)
    for number, epochs in enumerate(
        [
            [(0.3, 0.3)],
            [(0.2, 0.2)],  # closer to the limit
            [(0.1, 0.1), (0.05, 0.0)],  # within the limit
            [(0.2, 0.05), (0.6, 0.2)],  # not at its best epoch
            [(0.15, 0.05)],
            [(0.5, 0.0)],  # pruned
        ]
    ):
        for epoch, (score, gap) in enumerate(epochs, start=1):
            result = EpochResult(epoch, {"val/macro_f1": score, "gap": gap}, [])
            pruner.on_event(EpochEnded(number=number, result=result))
        pruner.on_event(TrialEnded(number=number, ending="stopped" if number == 5 else "finished"))
    assert _list_checkpoints(folder) == {4}


def test_files_of_others_beside_a_checkpoint_are_left(folder: Path) -> None:
    own = folder / "checkpoints/trial-000001"
    (own / "notes.txt").write_text("mine")
    (own / atomic.make_partial_name("state.pt")).write_bytes(b"of a killed worker")
    pruner = _Pruner(folder)
    for number in (0, 1):
        _report(pruner, number, None, "failed")
    assert not (folder / "checkpoints/trial-000000").exists()
    assert [path.name for path in own.iterdir()] == ["notes.txt"]


def test_a_replay_of_the_events_keeps_the_same_checkpoints(folder: Path) -> None:
    pruner = _Pruner(folder)
    for _ in range(2):
        _report(pruner, 0, 0.3, "finished")
        _report(pruner, 1, 0.5, "finished")
    assert _list_checkpoints(folder) == {1, 2, 3, 4, 5}


def test_finalists_keep_their_checkpoints_and_their_repeats_do_not(folder: Path) -> None:
    pruner = _Pruner(folder, finalists=2)
    for number, score in enumerate((0.3, 0.5, 0.4, 0.2, 0.1, 0.1)):
        _report(pruner, number, score, "finished")
    assert _list_checkpoints(folder) == {1, 2}
    for seed in (2, 3):
        for finalist in (1, 2):
            number = seed * 1_000_000 + finalist
            checkpoint = checkpoint_directory(DiskDirectory(folder), number)
            checkpoint.write("state.pt", b"weights")
            pruner.on_event(
                TrialStarted(number=number, name="", config=BASELINE, repeat_of=finalist)
            )
            result = EpochResult(1, {"val/macro_f1": finalist / 10, "gap": 0.1}, [])
            pruner.on_event(EpochEnded(number=number, result=result))
            pruner.on_event(TrialEnded(number=number, ending="interrupted"))
            assert checkpoint.list_names()
            pruner.on_event(TrialEnded(number=number, ending="finished"))
            assert not checkpoint.list_names()
    assert _list_checkpoints(folder) == {1, 2}
