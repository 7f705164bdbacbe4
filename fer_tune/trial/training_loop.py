"""The training of one trial: a generator of epochs."""

import math
import time
import warnings
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from fer_tune.data.faces import Faces
from fer_tune.data.trial_data import TrialData
from fer_tune.model import FerNet, scale_pixels
from fer_tune.scoring.metrics import EpochResult, Scores, build_epoch_metrics, find_best_epoch
from fer_tune.trial.augment import MixFunction, augment_images, make_mixup
from fer_tune.trial.cuda_graph import ForwardFunction, make_training_forward
from fer_tune.trial.device import use_autocast
from fer_tune.trial.self_distillation import distill_labels
from fer_tune.trial.train_state import TrainState, TrialSpec, copy_weights, count_steps_per_epoch

EVALUATION_BATCH = 512


class Diverged(ArithmeticError):
    """A loss is no longer a number."""


def fit(
    spec: TrialSpec, state: TrainState, data: TrialData, device: torch.device
) -> Iterator[EpochResult]:
    """Train `state` up to `task.epochs`, yielding after every epoch, when `state` may be saved.

    A state that was saved and loaded goes on exactly as it would have: each epoch draws its
    randomness from the seed and its own number.

    Raises Diverged where a loss, in training or in evaluation, becomes NaN or infinite.
    """
    training = DeviceData.from_faces(data.training.faces, device)
    sample, validation = (
        DeviceData.from_faces(data.train_sample, device),
        DeviceData.from_faces(data.validation, device),
    )
    chances = data.training.sampling_weights
    draw = None if chances is None else torch.from_numpy(np.array(chances))
    mix = make_mixup(spec.config.mixup, len(data.classes))
    steps = spec.epochs * count_steps_per_epoch(len(training), spec.config)
    forward = make_training_forward(state.model, spec.config.batch_size, steps, device)
    while state.epochs_done < spec.epochs:
        began = time.perf_counter()
        torch.manual_seed(_derive_epoch_seed(spec.seed, state.epochs_done))
        _train_epoch(spec, state, training, draw, mix, forward)
        train = evaluate_model(state.evaluated_model, sample, len(data.classes))
        scores = evaluate_model(state.evaluated_model, validation, len(data.classes))
        # The epoch's last step may be the one that ruins the weights.
        _require_finite(train.loss + scores.loss, "loss in evaluation", state.epochs_done + 1)
        metrics = build_epoch_metrics(train, scores, data.classes)
        seconds = time.perf_counter() - began
        result = EpochResult(state.epochs_done + 1, metrics, scores.confusion.tolist(), seconds)
        state.history.append(result)
        if find_best_epoch(state.history, spec.metric) is result:
            state.best_weights = copy_weights(state.evaluated_model)
        yield result


@dataclass(frozen=True, eq=False)
class DeviceData:
    """Faces as tensors where the model is.

    images: (N, 48, 48) uint8.  labels: (N,) int64.
    """

    images: Tensor
    labels: Tensor

    @classmethod
    def from_faces(cls, faces: Faces, device: torch.device) -> "DeviceData":
        with warnings.catch_warnings():
            # Faces shared between processes are read-only, and nothing here writes to them.
            warnings.filterwarnings("ignore", "The given NumPy array is not writable")
            images, labels = torch.from_numpy(faces.images), torch.from_numpy(faces.labels)
        return cls(images.to(device), labels.to(device))

    def __len__(self) -> int:
        return len(self.labels)


def _derive_epoch_seed(seed: int, epoch: int) -> int:
    return int(np.random.SeedSequence([seed, epoch]).generate_state(1)[0])


def _train_epoch(
    spec: TrialSpec,
    state: TrainState,
    faces: DeviceData,
    sampling_weights: Tensor | None,
    mix: MixFunction,
    forward: ForwardFunction,
) -> None:
    config, device = spec.config, faces.images.device
    total = torch.zeros((), device=device)
    state.model.train()
    for batch in torch.split(
        _draw_order(len(faces), sampling_weights).to(device), config.batch_size
    ):
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


def _draw_order(
    count: int,
    sampling_weights: Tensor | None,  # (count,) float64
) -> Tensor:  # (count,) int64
    if sampling_weights is None:
        return torch.randperm(count)
    return torch.multinomial(sampling_weights, count, replacement=True)


@torch.inference_mode()
def evaluate_model(model: FerNet, faces: DeviceData, classes: int) -> Scores:
    """Loss and confusion matrix of the model on faces as they are, in evaluation mode."""
    device = faces.images.device
    loss = torch.zeros((), device=device)
    cells = torch.zeros(classes * classes, dtype=torch.int64, device=device)
    model = model.fuse_for_evaluation()
    batches = (torch.split(tensor, EVALUATION_BATCH) for tensor in (faces.images, faces.labels))
    for images, labels in zip(*batches, strict=True):
        with use_autocast(device):
            logits = model(scale_pixels(images))
        loss += functional.cross_entropy(logits.float(), labels, reduction="sum")
        cells += torch.bincount(labels * classes + logits.argmax(1), minlength=classes * classes)
    return Scores(float(loss) / len(faces), cells.view(classes, classes).cpu().numpy())
