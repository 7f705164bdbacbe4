from pathlib import Path

import pytest

from fer_tune.common import atomic
from fer_tune.common.filesystem import DiskDirectory
from fer_tune.events import Ending, EpochEnded, TrialEnded
from fer_tune.scoring.metrics import EpochResult
from fer_tune.study.records.checkpoint_pruner import CheckpointPruner, checkpoint_directory


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Six trials with a checkpoint each."""
    for number in range(6):
        checkpoint_directory(DiskDirectory(tmp_path), number).write("state.pt", b"weights")
    return tmp_path


def _tell(
    tidier: CheckpointPruner, number: int, score: float | None, ending: Ending | None
) -> None:
    if score is not None:
        result = EpochResult(1, {"val/macro_f1": score}, [])
        tidier.on_event(EpochEnded(number=number, result=result))
    if ending:
        tidier.on_event(TrialEnded(number=number, ending=ending))


def _kept(folder: Path) -> set[int]:
    return {
        number
        for number in range(6)
        if checkpoint_directory(DiskDirectory(folder), number).list_names()
    }


def test_the_best_trial_and_those_that_may_go_on_keep_their_checkpoints(folder: Path) -> None:
    tidier = CheckpointPruner(DiskDirectory(folder), "val/macro_f1")
    _tell(tidier, 0, 0.3, "finished")
    _tell(tidier, 1, 0.2, "stopped")
    _tell(tidier, 2, 0.5, "finished")
    _tell(tidier, 3, None, "failed")
    _tell(tidier, 4, 0.1, "interrupted")
    _tell(tidier, 5, 0.1, None)
    assert _kept(folder) == {2, 4, 5}


def test_a_paused_trial_keeps_its_checkpoint_until_it_is_stopped(folder: Path) -> None:
    tidier = CheckpointPruner(DiskDirectory(folder), "val/macro_f1")
    _tell(tidier, 0, 0.5, "finished")
    _tell(tidier, 1, 0.3, "paused")
    _tell(tidier, 2, 0.6, "paused")
    assert {0, 1, 2} <= _kept(folder)
    _tell(tidier, 1, None, "stopped")
    _tell(tidier, 2, None, "stopped")
    assert _kept(folder) == {2, 3, 4, 5}


def test_the_best_trial_is_the_best_of_those_that_keep_to_the_largest_gap(folder: Path) -> None:
    tidier = CheckpointPruner(DiskDirectory(folder), "val/macro_f1", max_gap=0.1)
    for number, epochs in enumerate(
        [
            [(0.3, 0.3)],
            [(0.2, 0.2)],  # closer
            [(0.1, 0.1), (0.05, 0.0)],  # keeps to it
            [(0.2, 0.05), (0.6, 0.2)],  # not where it is best
            [(0.15, 0.05)],
            [(0.5, 0.0)],  # did not run to its end
        ]
    ):
        for epoch, (score, gap) in enumerate(epochs, start=1):
            result = EpochResult(epoch, {"val/macro_f1": score, "gap": gap}, [])
            tidier.on_event(EpochEnded(number=number, result=result))
        tidier.on_event(TrialEnded(number=number, ending="stopped" if number == 5 else "finished"))
    assert _kept(folder) == {4}


def test_files_of_others_beside_a_checkpoint_are_left(folder: Path) -> None:
    own = folder / "checkpoints/trial-000001"
    (own / "notes.txt").write_text("mine")
    (own / atomic.make_partial_name("state.pt")).write_bytes(b"of a killed worker")
    tidier = CheckpointPruner(DiskDirectory(folder), "val/macro_f1")
    for number in (0, 1):
        _tell(tidier, number, None, "failed")
    assert not (folder / "checkpoints/trial-000000").exists()
    assert [path.name for path in own.iterdir()] == ["notes.txt"]


def test_told_again_it_keeps_the_same(folder: Path) -> None:
    tidier = CheckpointPruner(DiskDirectory(folder), "val/macro_f1")
    for _ in range(2):
        _tell(tidier, 0, 0.3, "finished")
        _tell(tidier, 1, 0.5, "finished")
    assert _kept(folder) == {1, 2, 3, 4, 5}
