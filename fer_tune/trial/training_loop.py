"""The training of one trial: a generator of epochs."""

import math
import time
import warnings
from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from fer_tune.data.faces import Faces
from fer_tune.data.trial_data import TrialData
from fer_tune.data.votes import get_label_shares
from fer_tune.model import FerNet, scale_pixels
from fer_tune.scoring.metrics import EpochResult, find_best_epoch
from fer_tune.trial.augment import MixFunction, augment_images, make_mixup_function
from fer_tune.trial.cuda_graph import ForwardFunction, make_training_forward
from fer_tune.trial.device import use_autocast
from fer_tune.trial.epoch_result import ClassPredictions, build_epoch_result
from fer_tune.trial.self_distillation import distill_labels
from fer_tune.trial.train_state import TrainState, TrialSpec, copy_weights
from fer_tune.trial_config import LabelSource, count_steps_per_epoch, derive_seed

EVALUATION_BATCH = 512


class Diverged(ArithmeticError):
    """The error of a loss that is NaN or infinite."""


def fit(
    spec: TrialSpec, state: TrainState, data: TrialData, device: torch.device
) -> Iterator[EpochResult]:
    """Train `state` up to `spec.epochs`; yields after every epoch, when `state` can be saved.

    A state that is saved and loaded continues exactly as without the interruption, since each
    epoch has its own seed.

    Raises Diverged if a loss, in training or in evaluation, becomes NaN or infinite.
    """
    training = DeviceData.from_faces(data.training.faces, device, spec.config.labels)
    sample, validation = (
        DeviceData.from_faces(faces, device) for faces in (data.train_sample, data.validation)
    )
    weights = data.training.sampling_weights
    sampling_weights = None if weights is None else torch.from_numpy(np.array(weights))
    mix = make_mixup_function(spec.config.mixup, len(data.classes))
    steps = spec.epochs * count_steps_per_epoch(len(training), spec.config)
    forward = make_training_forward(state.model, spec.config.batch_size, steps, device)
    while state.epochs_done < spec.epochs:
        start = time.perf_counter()
        torch.manual_seed(derive_seed(spec.seed, state.epochs_done))
        _train_epoch(spec, state, training, sampling_weights, mix, forward)
        epoch = state.epochs_done + 1
        train = predict_classes(state.evaluated_model, sample)
        predicted = predict_classes(state.evaluated_model, validation)
        # The last step of an epoch may ruin the weights, after the training loss.
        _require_finite(train.loss + predicted.loss, "loss in evaluation", epoch)
        result = build_epoch_result(data, train, predicted, epoch)
        result = replace(result, seconds=time.perf_counter() - start)
        state.history.append(result)
        if find_best_epoch(state.history, spec.metric) is result:
            state.best_weights = copy_weights(state.evaluated_model)
        yield result


@dataclass(frozen=True, eq=False)
class DeviceData:
    """Faces as tensors on the device of the model.

    images: (N, 48, 48) uint8.
    labels: (N,) int64, or (N, C) float32 shares of the classes.
    """

    images: Tensor
    labels: Tensor

    @classmethod
    def from_faces(
        cls, faces: Faces, device: torch.device, source: LabelSource = "given"
    ) -> "DeviceData":
        """Move faces to the device, with their given labels or the shares of people's votes."""
        targets = get_label_shares(faces) if source == "votes" else faces.labels
        with warnings.catch_warnings():
            # Faces shared between processes are read-only, and training does not change them.
            warnings.filterwarnings("ignore", "The given NumPy array is not writable")
            images, labels = torch.from_numpy(faces.images), torch.from_numpy(targets)
        return cls(images.to(device), labels.to(device))

    def __len__(self) -> int:
        return len(self.labels)


def _train_epoch(
    spec: TrialSpec,
    state: TrainState,
    faces: DeviceData,
    sampling_weights: Tensor | None,  # (N,) float64
    mix: MixFunction,
    forward: ForwardFunction,
) -> None:
    config, device = spec.config, faces.images.device
    total = torch.zeros((), device=device)
    state.model.train()
    if sampling_weights is None:
        order = torch.randperm(len(faces))
    else:
        order = torch.multinomial(sampling_weights, len(faces), replacement=True)
    for batch in torch.split(order.to(device), config.batch_size):
        images = augment_images(scale_pixels(faces.images[batch]), config.augmentation)
        images, labels = mix(images, faces.labels[batch])
        labels = distill_labels(labels, images, spec, state)
        logits = forward(images)
        loss = functional.cross_entropy(logits, labels, label_smoothing=config.label_smoothing)
        state.optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        state.step_optimizer()
        total += loss.detach()
    _require_finite(float(total), "training loss", state.epochs_done + 1)


def _require_finite(loss: float, name: str, epoch: int) -> None:
    if not math.isfinite(loss):
        raise Diverged(f"the {name} became {loss} in epoch {epoch}")


@torch.inference_mode()
def predict_classes(model: FerNet, faces: DeviceData) -> ClassPredictions:
    """Predict faces that are not augmented, in evaluation mode."""
    device = faces.images.device
    loss = torch.zeros((), device=device)
    predicted = []
    model = model.fuse_for_evaluation()
    batches = (torch.split(tensor, EVALUATION_BATCH) for tensor in (faces.images, faces.labels))
    for images, labels in zip(*batches, strict=True):
        with use_autocast(device):
            logits = model(scale_pixels(images))
        loss += functional.cross_entropy(logits.float(), labels, reduction="sum")
        predicted.append(logits.argmax(1))
    return ClassPredictions(float(loss) / len(faces), torch.cat(predicted).cpu().numpy())
