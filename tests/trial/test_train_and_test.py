from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from fer_tune.common.filesystem import DiskFolder
from fer_tune.data.faces import Faces
from fer_tune.data.trial_data import TrialFaces
from fer_tune.model import scaled
from fer_tune.scoring.metrics import EpochResult
from fer_tune.trial import checkpoint
from fer_tune.trial import train_and_test as final
from fer_tune.trial.device import autocast
from fer_tune.trial.train_and_test import Final, train_and_test
from fer_tune.trial.train_state import Task, fresh_state
from fer_tune.trial.training_loop import OnDevice, evaluate
from fer_tune.trial_config import TrialConfig

CPU = torch.device("cpu")


@pytest.fixture(autouse=True)
def _on_the_cpu(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(final, "pick_device", lambda: CPU)


@pytest.fixture
def task(config: TrialConfig) -> Task:
    return Task(config, epochs=8, seed=0)


@pytest.fixture
def unseen() -> Faces:
    rng = np.random.default_rng(5)
    return Faces(rng.integers(0, 256, (20, 48, 48), dtype=np.uint8), np.arange(20) % 4)


def run(
    task: Task, faces: TrialFaces, test: Faces, folder: Path
) -> tuple[Final, list[EpochResult]]:
    told: list[EpochResult] = []
    folder.mkdir(exist_ok=True)
    return train_and_test(task, faces, test, DiskFolder(folder), told.append), told


@pytest.mark.parametrize("seed", [0, 1, 2])  # so that the best is not always the last
@pytest.mark.parametrize("metric", ["val/macro_f1", "val/loss"])
def test_the_best_epochs_weights_are_tested_and_not_the_last_ones(
    tmp_path: Path, task: Task, faces: TrialFaces, unseen: Faces, metric: str, seed: int
) -> None:
    task = replace(task, metric=metric, seed=seed)
    done, told = run(task, faces, unseen, tmp_path)
    assert done.best in told
    validation = evaluate(done.model, OnDevice.of(faces.validation, CPU), 4)
    assert validation.confusion.tolist() == done.best.confusion
    assert validation.loss == done.best.metrics["val/loss"]
    again = evaluate(done.model, OnDevice.of(unseen, CPU), 4)
    assert again.confusion.tolist() == done.test.confusion.tolist()
    assert done.test.confusion.sum() == len(unseen)


def test_a_stopped_training_goes_on_and_tells_of_its_earlier_epochs_again(
    tmp_path: Path, task: Task, faces: TrialFaces, unseen: Faces
) -> None:
    through, told = run(task, faces, unseen, tmp_path / "through")
    stopped = tmp_path / "stopped"
    stopped.mkdir()

    def stop(result: EpochResult) -> None:
        if result.epoch == 3:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        train_and_test(task, faces, unseen, DiskFolder(stopped), stop)
    state = fresh_state(task, 33, 4, CPU)
    checkpoint.load(state, DiskFolder(stopped))
    assert state.history == told[:3]
    resumed, told_again = run(task, faces, unseen, stopped)
    assert told_again == told
    assert resumed.best == through.best
    assert resumed.test.loss == through.test.loss


def test_the_test_faces_choose_nothing(
    tmp_path: Path, task: Task, faces: TrialFaces, unseen: Faces
) -> None:
    first, _ = run(task, faces, unseen, tmp_path / "first")
    others = Faces(255 - unseen.images[:9], unseen.labels[:9])
    second, _ = run(task, faces, others, tmp_path / "second")
    assert first.best == second.best
    assert (first.test.confusion.sum(), second.test.confusion.sum()) == (20, 9)
    ours, theirs = first.model.state_dict(), second.model.state_dict()
    assert all(torch.equal(ours[name], theirs[name]) for name in ours)


def test_what_is_said_of_each_face_and_of_its_mirror_image_is_kept(
    tmp_path: Path, task: Task, faces: TrialFaces, unseen: Faces
) -> None:
    done, _ = run(task, faces, unseen, tmp_path)
    said = done.predictions
    np.testing.assert_array_equal(said.truth, unseen.labels)
    assert (said.predicted == unseen.labels).mean() == done.test.accuracy
    logits = []
    for images in (unseen.images, unseen.images[:, :, ::-1].copy()):
        with torch.inference_mode(), autocast(CPU):
            logits.append(done.model.fused()(scaled(torch.from_numpy(images))))
    plain, mirrored = (each.double().softmax(1).numpy() for each in logits)
    np.testing.assert_array_equal(said.predicted, plain.argmax(1))
    np.testing.assert_allclose(said.probability, plain.max(1))
    np.testing.assert_array_equal(said.flip_predicted, (plain + mirrored).argmax(1))
    np.testing.assert_allclose(said.flip_probability, ((plain + mirrored) / 2).max(1))
