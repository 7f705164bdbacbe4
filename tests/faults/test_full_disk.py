"""Disks that fill up: what is told, what is left, and that a study goes on once there is room."""

import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from fer_tune.study.records.event_log import read_trials
from tests.faults.studies import SMALL, Running, require_recorded, require_whole, wait_until_gone
from tests.machine import lacks

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]

OPTIONS = [*SMALL, "--study", "demo-full", "--trials", "2", "--epochs", "12", "--grace", "12"]


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    """A small disk, with room for the checkpoints of two trials."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=160m", "tmpfs", str(folder)]
    done = subprocess.run(mount, capture_output=True, text=True, check=False)
    if done.returncode:
        lacks(f"a small disk cannot be mounted here: {done.stderr.strip()}")
    yield folder
    subprocess.run(["umount", "--lazy", str(folder)], check=True)


def _fill(disk: Path) -> Path:
    """Write until nothing more fits; the file that has to go for there to be room."""
    path = disk / "filler"
    with path.open("wb", buffering=0) as file:
        for size in (2**16, 2**12, 1):
            while True:
                try:
                    file.write(b"0" * size)
                except OSError:
                    break
    return path


def _fill_once_trained(study: Running, folder: Path, disk: Path) -> Path:
    """Fill the disk once each trial has had an epoch."""
    while not (trials := read_trials(folder)) or not all(each.history for each in trials):
        assert study.process.poll() is None, "the study ended before the disk was full"
        time.sleep(0.05)
    return _fill(disk)


def test_a_study_whose_disk_is_full_ends_with_an_error_and_goes_on_once_there_is_room(
    tmp_path: Path, disk: Path
) -> None:
    storage = disk / "studies"
    at = ["--storage", str(storage)]
    study = Running(["fer_tune.search", *OPTIONS, *at], tmp_path)
    filler = _fill_once_trained(study, storage / "demo-full", disk)
    assert study.ended() == 2, study.output
    error = study.output.strip().splitlines()[-1]
    assert error.startswith("error: ")
    assert "No space left on device" in error
    assert "--resume demo-full" in error
    assert "Traceback" not in study.output
    assert not list(storage.rglob("*.part"))
    wait_until_gone(study.process.pid)
    filler.unlink()
    resumed = Running(["fer_tune.search", "--resume", "demo-full", *at], tmp_path)
    assert resumed.ended() == 0, resumed.output
    trials = require_whole(storage, "demo-full")
    require_recorded(str(tmp_path / "mlruns"), "demo-full", trials)


def test_a_full_disk_under_the_tracking_store_costs_a_study_nothing_but_its_record_until_then(
    tmp_path: Path, disk: Path
) -> None:
    uri = ["--tracking-uri", str(disk / "mlruns")]
    study = Running(["fer_tune.search", *OPTIONS, *uri], tmp_path)
    storage = tmp_path / "mlruns/studies"
    filler = _fill_once_trained(study, storage / "demo-full", disk)
    assert study.ended() == 0, study.output
    assert "records are missing there" in " ".join(study.output.split())
    assert "Traceback" not in study.output
    filler.unlink()
    resumed = Running(["fer_tune.search", "--resume", "demo-full", *uri], tmp_path)
    assert resumed.ended() == 0, resumed.output
    require_recorded(str(disk / "mlruns"), "demo-full", require_whole(storage, "demo-full"))


def test_a_study_that_a_full_disk_keeps_from_beginning_leaves_nothing_behind(
    tmp_path: Path, disk: Path
) -> None:
    filler = _fill(disk)
    at = ["--storage", str(disk / "studies")]
    study = Running(["fer_tune.search", *OPTIONS, *at], tmp_path)
    assert study.ended() == 2, study.output
    assert "Traceback" not in study.output
    assert [path for path in disk.rglob("*") if path.is_file()] == [filler]
