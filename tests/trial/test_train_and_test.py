from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from sklearn.metrics import confusion_matrix

from fer_tune.common.disk_or_bucket import DiskDirectory
from fer_tune.data.faces import Faces
from fer_tune.data.trial_data import TrialData
from fer_tune.model import FaceClassifier
from fer_tune.model_config import TtaName
from fer_tune.scoring.calibration import fit_temperature
from fer_tune.scoring.metrics import EpochResult
from fer_tune.trial import checkpoint
from fer_tune.trial import train_and_test as module
from fer_tune.trial.train_and_test import TrainedModel, train_and_test
from fer_tune.trial.train_state import TrialSpec, init_state
from fer_tune.trial.training_loop import DeviceData, predict_classes
from fer_tune.trial_config import TrialConfig

CPU = torch.device("cpu")


@pytest.fixture(autouse=True)
def _on_the_cpu(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "pick_device", lambda: CPU)


@pytest.fixture
def task(config: TrialConfig) -> TrialSpec:
    return TrialSpec(config, epochs=8, seed=0)


@pytest.fixture
def unseen() -> Faces:
    rng = np.random.default_rng(5)
    return Faces(rng.integers(0, 256, (20, 48, 48), dtype=np.uint8), np.arange(20) % 4)


def run(
    task: TrialSpec, faces: TrialData, test: Faces, folder: Path
) -> tuple[TrainedModel, list[EpochResult]]:
    reported: list[EpochResult] = []
    folder.mkdir(exist_ok=True)
    return train_and_test(task, faces, test, DiskDirectory(folder), reported.append), reported


@pytest.mark.parametrize("seed", [0, 1, 2])  # so that the best epoch is not always the last
@pytest.mark.parametrize("metric", ["val/macro_f1", "val/loss"])
def test_the_best_epochs_weights_are_tested_and_not_the_last_ones(
    tmp_path: Path, task: TrialSpec, faces: TrialData, unseen: Faces, metric: str, seed: int
) -> None:
    task = replace(task, metric=metric, seed=seed)
    done, reported = run(task, faces, unseen, tmp_path)
    assert done.best in reported
    (network,) = done.model.networks
    validation = predict_classes(network, DeviceData.from_faces(faces.validation, CPU))
    truth = faces.validation.labels
    confusion = confusion_matrix(truth, validation.predicted, labels=range(4))
    assert confusion.tolist() == done.best.confusion
    assert validation.loss == done.best.metrics["val/loss"]
    said = done.model.predict_probabilities(unseen.images).argmax(axis=1)
    again = confusion_matrix(unseen.labels, said, labels=range(4))
    assert again.tolist() == done.test.scores.confusion.tolist()
    assert done.test.scores.confusion.sum() == len(unseen)


def test_a_stopped_training_resumes_and_reports_its_earlier_epochs_again(
    tmp_path: Path, task: TrialSpec, faces: TrialData, unseen: Faces
) -> None:
    through, reported = run(task, faces, unseen, tmp_path / "through")
    stopped = tmp_path / "stopped"
    stopped.mkdir()

    def stop(result: EpochResult) -> None:
        if result.epoch == 3:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        train_and_test(task, faces, unseen, DiskDirectory(stopped), stop)
    state = init_state(task, 33, 4, CPU)
    checkpoint.load_state(state, DiskDirectory(stopped))
    assert state.history == reported[:3]
    resumed, reported_again = run(task, faces, unseen, stopped)
    assert reported_again == reported
    assert resumed.best == through.best
    assert resumed.test.scores.loss == through.test.scores.loss


def test_the_test_faces_choose_nothing(
    tmp_path: Path, task: TrialSpec, faces: TrialData, unseen: Faces
) -> None:
    first, _ = run(task, faces, unseen, tmp_path / "first")
    others = Faces(255 - unseen.images[:9], unseen.labels[:9])
    second, _ = run(task, faces, others, tmp_path / "second")
    assert first.best == second.best
    assert (first.test.scores.confusion.sum(), second.test.scores.confusion.sum()) == (20, 9)
    ours, theirs = first.model.state_dict(), second.model.state_dict()
    assert all(torch.equal(ours[name], theirs[name]) for name in ours)


def test_predictions_hold_each_face_and_its_mirror_image(
    tmp_path: Path, task: TrialSpec, faces: TrialData, unseen: Faces
) -> None:
    done, _ = run(task, faces, unseen, tmp_path)
    said = done.test.predictions
    np.testing.assert_array_equal(said.truth, unseen.labels)
    np.testing.assert_array_equal(said.names, unseen.names)
    assert (said.predicted == unseen.labels).mean() == done.test.scores.accuracy
    assert said.probabilities is not None
    assert said.flip_probability is not None
    both = unseen.images, unseen.images[:, :, ::-1]
    plain, mirrored = map(done.model.predict_probabilities, both)
    np.testing.assert_array_equal(said.predicted, plain.argmax(1))
    np.testing.assert_allclose(said.probability, plain.max(1))
    np.testing.assert_allclose(said.probabilities, plain)
    np.testing.assert_array_equal(said.flip_predicted, (plain + mirrored).argmax(1))
    np.testing.assert_allclose(said.flip_probability, ((plain + mirrored) / 2).max(1))


def test_the_temperature_is_that_of_the_validation_faces_whatever_the_test_faces_are(
    tmp_path: Path, task: TrialSpec, faces: TrialData, unseen: Faces
) -> None:
    done, _ = run(task, faces, unseen, tmp_path)
    raw = FaceClassifier(done.model.networks).predict_probabilities(faces.validation.images)
    assert done.model.temperature == pytest.approx(fit_temperature(raw, faces.validation.labels))
    assert done.model.temperature != 1


@pytest.mark.parametrize("tta", ["mirror", "six"])
def test_the_scores_with_tta_are_those_of_the_model_that_is_kept(
    tmp_path: Path, task: TrialSpec, faces: TrialData, unseen: Faces, tta: TtaName
) -> None:
    plain, _ = run(task, faces, unseen, tmp_path / "plain")
    done, _ = run(replace(task, tta=tta), faces, unseen, tmp_path / "tta")
    assert done.model.tta == tta
    assert done.best.epoch == plain.best.epoch  # which test-time augmentation does not choose
    for scores, some in ((done.best, faces.validation), (done.test.scores, unseen)):
        said = done.model.predict_probabilities(some.images).argmax(axis=1)
        np.testing.assert_array_equal(
            scores.confusion, confusion_matrix(some.labels, said, labels=range(4))
        )
    assert done.test.predictions.flip_predicted is None
