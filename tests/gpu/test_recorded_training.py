"""A CUDA graph of the training step, beside steps without one."""

from pathlib import Path

import pytest
import torch
from torch import Tensor

from benchmarks.gpu_check.short_training import make_state, train
from fer_tune.common.disk_or_bucket import DiskDirectory
from fer_tune.data.trial_data import TrialData
from fer_tune.model import FerNet, scale_pixels
from fer_tune.trial import checkpoint
from fer_tune.trial.cuda_graph import MIN_STEPS_TO_RECORD, make_training_forward
from fer_tune.trial.train_state import TrialSpec
from fer_tune.trial.training_loop import DeviceData, predict_classes
from fer_tune.trial_config import TrialConfig

pytestmark = pytest.mark.gpu


def make_model(config: TrialConfig, gpu: torch.device) -> FerNet:
    torch.manual_seed(0)
    return FerNet(config, 7).to(gpu, memory_format=torch.channels_last)  # type: ignore[call-overload,no-any-return]


def take_batch(faces: TrialData, gpu: torch.device) -> Tensor:
    return scale_pixels(torch.from_numpy(faces.training.faces.images[:128].copy()).to(gpu))


def test_a_recorded_pass_gives_the_logits_and_gradients_of_the_plain_one(
    config: TrialConfig, faces: TrialData, gpu: torch.device
) -> None:
    images, results = take_batch(faces, gpu), []
    for steps in (MIN_STEPS_TO_RECORD, 1):
        model = make_model(config.model_copy(update={"dropout": 0.0}), gpu)
        logits = make_training_forward(model, 128, steps, gpu)(images)
        logits.square().sum().backward()  # type: ignore[no-untyped-call]
        gradients = [p.grad.clone() for p in model.parameters() if p.grad is not None]
        buffers = [buffer.float() for buffer in model.buffers()]
        results.append([logits.detach().clone(), *gradients, *buffers])
    for recorded, plain in zip(*results, strict=True):
        torch.testing.assert_close(recorded, plain, rtol=1e-2, atol=1e-2)


def test_recorded_training_has_the_results_of_plain_training(
    config: TrialConfig, faces: TrialData, gpu: torch.device
) -> None:
    # Without dropout, as a graph may draw other random numbers.
    spec = TrialSpec(config.model_copy(update={"dropout": 0.0}), epochs=3, seed=0)
    recorded, plain = (train(spec, faces, gpu, graph=graph).history for graph in (True, False))
    for one, other in zip(recorded, plain, strict=True):
        for name in ("train/loss", "val/loss"):
            assert one.metrics[name] == pytest.approx(other.metrics[name], rel=0.02)


def test_a_resumed_trial_with_a_graph_continues_as_if_not_interrupted(
    config: TrialConfig, faces: TrialData, gpu: torch.device, tmp_path: Path
) -> None:
    spec, folder = TrialSpec(config, epochs=3, seed=0), DiskDirectory(tmp_path)
    whole = train(spec, faces, gpu, graph=True)
    checkpoint.save_state(train(spec, faces, gpu, graph=True, until=1), folder)
    resumed = make_state(spec, faces, gpu)
    checkpoint.load_state(resumed, folder)
    train(spec, faces, gpu, graph=True, state=resumed)
    for one, other in zip(resumed.history, whole.history, strict=True):
        assert one.metrics["val/loss"] == pytest.approx(other.metrics["val/loss"], rel=1e-3)


def test_dropout_is_drawn_anew_at_each_replay(faces: TrialData, gpu: torch.device) -> None:
    config = TrialConfig(dropout=0.5)
    forward = make_training_forward(make_model(config, gpu), 128, MIN_STEPS_TO_RECORD, gpu)
    images = take_batch(faces, gpu)
    first, second = (forward(images).detach().clone() for _ in range(2))
    assert not torch.equal(first, second)


def test_evaluation_beside_a_captured_graph_changes_neither(
    config: TrialConfig, faces: TrialData, gpu: torch.device
) -> None:
    model = make_model(config.model_copy(update={"dropout": 0.0}), gpu)
    evaluated = DeviceData.from_faces(faces.validation, gpu)
    before = predict_classes(model, evaluated)
    forward = make_training_forward(model, 128, MIN_STEPS_TO_RECORD, gpu)
    after_recording = predict_classes(model, evaluated)
    assert after_recording.loss == pytest.approx(before.loss, rel=1e-4)
    images = take_batch(faces, gpu)
    logits = forward(images).detach().clone()
    predict_classes(model, evaluated)
    # The running statistics have changed, but the batch's own normalise it in training.
    torch.testing.assert_close(forward(images).detach(), logits, rtol=1e-3, atol=1e-3)
