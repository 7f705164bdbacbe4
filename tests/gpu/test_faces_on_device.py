import numpy as np
import pytest
import torch

from benchmarks.gpu_check.demo_faces import make_trial_data
from benchmarks.gpu_check.short_training import CPU, make_state, train
from fer_tune.data.trial_data import TrialData
from fer_tune.model import FaceClassifier
from fer_tune.trial.train_state import TrialSpec
from fer_tune.trial.training_loop import DeviceData, predict_classes
from fer_tune.trial_config import TrialConfig

pytestmark = pytest.mark.gpu


def test_faces_stay_bytes_on_the_gpu(faces: TrialData, gpu: torch.device) -> None:
    moved = DeviceData.from_faces(faces.training.faces, gpu)
    assert moved.images.device.type == "cuda"
    assert moved.images.dtype == torch.uint8
    assert moved.images.nbytes == 600 * 48 * 48
    assert np.array_equal(moved.images.cpu().numpy(), faces.training.faces.images)


def test_a_network_predicts_the_same_on_the_gpu_and_on_the_cpu(
    config: TrialConfig, gpu: torch.device
) -> None:
    faces = make_trial_data(9_600, 600)
    spec = TrialSpec(config.model_copy(update={"learning_rate": 1e-3}), epochs=1, seed=0)
    trained = train(spec, faces, gpu)
    copy = make_state(spec, faces, CPU)
    copy.model.load_state_dict(trained.best_weights)
    trained.model.load_state_dict(trained.best_weights)
    on_gpu, on_cpu = (
        predict_classes(state.model, DeviceData.from_faces(faces.validation, device))
        for state, device in ((trained, gpu), (copy, CPU))
    )
    assert len(set(on_cpu.predicted)) > 3
    assert on_gpu.loss == pytest.approx(on_cpu.loss, rel=0.01)
    assert np.mean(on_gpu.predicted == on_cpu.predicted) > 0.98
    probabilities, expected = (
        FaceClassifier([state.model], "six").predict_probabilities(faces.validation.images)
        for state in (trained, copy)
    )
    np.testing.assert_allclose(probabilities, expected, atol=0.02)
