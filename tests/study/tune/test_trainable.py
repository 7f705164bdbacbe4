from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from fer_tune.common.disk_or_bucket import DiskDirectory
from fer_tune.data.faces import Faces
from fer_tune.data.resampling import TrainingFaces
from fer_tune.data.trial_data import TrialData
from fer_tune.study.records.checkpoint_pruner import checkpoint_directory
from fer_tune.study.tune.shared_data import SharedStudyData
from fer_tune.study.tune.trainable import TrialOptions, train_trial
from fer_tune.trial import checkpoint
from fer_tune.trial_config import derive_seed

Seeds = st.integers(0, 2**31 - 1)
TINY = {"depth": 1, "width": 4, "hidden_1": 8, "hidden_2": 8, "batch_size": 8}
GIVEN = {"number": 3, "trial": TINY, "gpus": 0}


@given(Seeds, st.integers(0, 10_000))
def test_a_trial_has_its_own_seed_which_torch_accepts(study: int, number: int) -> None:
    seed = derive_seed(study, number)
    assert seed == derive_seed(study, number)
    assert seed != derive_seed(study, number + 1)
    assert 0 <= seed < 2**32


@pytest.fixture
def faces() -> SharedStudyData:
    images = np.random.default_rng(0).integers(0, 256, (16, 48, 48), dtype=np.uint8)
    some = Faces(images, np.arange(16) % 2)
    return {"original": TrialData(TrainingFaces(some), some, some, ("cat", "dog"))}


@pytest.fixture
def reports(monkeypatch: pytest.MonkeyPatch) -> list[dict[str, Any]]:
    """The reports of the trials."""
    told: list[dict[str, Any]] = []
    monkeypatch.setattr("ray.tune.report", told.append)
    return told


def _options(folder: Path, epochs: int) -> TrialOptions:
    return TrialOptions(epochs, "val/macro_f1", 0, 1, DiskDirectory(folder))


def _epochs(reports: list[dict[str, Any]]) -> list[int]:
    return [each["epoch"] for each in reports]


def test_a_trial_resumes_from_its_checkpoint_and_reports_its_epochs_again(
    tmp_path: Path, faces: SharedStudyData, reports: list[dict[str, Any]]
) -> None:
    train_trial(GIVEN, faces, _options(tmp_path, 1))
    before = reports.pop()
    train_trial(GIVEN, faces, _options(tmp_path, 3))
    assert _epochs(reports) == [1, 2, 3]
    assert reports[0]["result"] == before["result"]
    assert {each["restored"].epochs for each in reports} == {1}


def test_a_checkpoint_is_written_before_its_epoch_is_reported(
    tmp_path: Path, faces: SharedStudyData, monkeypatch: pytest.MonkeyPatch
) -> None:
    course: list[str] = []
    monkeypatch.setattr(checkpoint, "save_state", lambda *_: course.append("kept"))
    monkeypatch.setattr("ray.tune.report", lambda _: course.append("reported"))
    train_trial(GIVEN, faces, _options(tmp_path, 2))
    assert course == ["kept", "reported"] * 2


def test_a_broken_checkpoint_is_reported_and_the_trial_starts_again(
    tmp_path: Path, faces: SharedStudyData, reports: list[dict[str, Any]]
) -> None:
    options = _options(tmp_path, 1)
    checkpoint_directory(options.shared_dir, 3).write(checkpoint.FILE, b"torn")
    train_trial(GIVEN, faces, options)
    assert _epochs(reports) == [1]
    assert "not a state of this trial" in reports[0]["restored"].problem


def test_an_error_of_a_trial_is_reported_and_not_raised(
    tmp_path: Path, reports: list[dict[str, Any]]
) -> None:
    train_trial(GIVEN, {}, _options(tmp_path, 1))
    (report,) = reports
    assert "KeyError" in report["failure"].error


@pytest.mark.usefixtures("reports")
def test_an_error_that_breaks_the_gpu_ends_the_process(
    tmp_path: Path, faces: SharedStudyData, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: object) -> None:
        raise torch.AcceleratorError("CUDA error: an illegal memory access was encountered")

    monkeypatch.setattr("fer_tune.trial.device.pick_device", broken)
    with pytest.raises(torch.AcceleratorError):
        train_trial(GIVEN, faces, _options(tmp_path, 1))


def test_a_trial_whose_gpu_torch_cannot_use_fails_and_does_not_train_on_the_cpu(
    tmp_path: Path,
    faces: SharedStudyData,
    reports: list[dict[str, Any]],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    train_trial(GIVEN | {"gpus": 0.25}, faces, _options(tmp_path, 1))
    (report,) = reports
    assert report["failure"].last_line.endswith("torch does not; is this torch built for the GPU?")
