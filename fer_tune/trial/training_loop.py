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
from fer_tune.data.trial_data import TrialFaces
from fer_tune.model import FerNet, scaled
from fer_tune.scoring.metrics import EpochResult, Scores, best_result, named_metrics
from fer_tune.trial.augment import Mixer, augment, mixer
from fer_tune.trial.cuda_graph import Forward, training_forward
from fer_tune.trial.device import autocast
from fer_tune.trial.self_distillation import distilled
from fer_tune.trial.train_state import State, Task, steps_per_epoch, weights

EVALUATION_BATCH = 512


class Diverged(ArithmeticError):
    """A loss is no longer a number."""


def fit(task: Task, state: State, faces: TrialFaces, device: torch.device) -> Iterator[EpochResult]:
    """Train `state` up to `task.epochs`, yielding after every epoch, when `state` may be saved.

    A state that was saved and loaded goes on exactly as it would have: each epoch draws its
    randomness from the seed and its own number.

    Raises Diverged where a loss, in training or in evaluation, becomes NaN or infinite.
    """
    training = OnDevice.of(faces.training.faces, device)
    sample, validation = OnDevice.of(faces.sample, device), OnDevice.of(faces.validation, device)
    chances = faces.training.sampling_weights
    draw = None if chances is None else torch.from_numpy(np.array(chances))
    mix = mixer(task.config.mixup, len(faces.classes))
    steps = task.epochs * steps_per_epoch(len(training), task.config)
    forward = training_forward(state.model, task.config.batch_size, steps, device)
    while state.epoch < task.epochs:
        began = time.perf_counter()
        torch.manual_seed(_epoch_seed(task.seed, state.epoch))
        _train_epoch(task, state, training, draw, mix, forward)
        train = evaluate(state.scored, sample, len(faces.classes))
        scores = evaluate(state.scored, validation, len(faces.classes))
        # The epoch's last step may be the one that ruins the weights.
        _require_finite(train.loss + scores.loss, "loss in evaluation", state.epoch + 1)
        metrics = named_metrics(train, scores, faces.classes)
        seconds = time.perf_counter() - began
        result = EpochResult(state.epoch + 1, metrics, scores.confusion.tolist(), seconds)
        state.history.append(result)
        if best_result(state.history, task.metric) is result:
            state.best_weights = weights(state.scored)
        yield result


@dataclass(frozen=True, eq=False)
class OnDevice:
    """Faces as tensors where the model is.

    images: (N, 48, 48) uint8.  labels: (N,) int64.
    """

    images: Tensor
    labels: Tensor

    @classmethod
    def of(cls, faces: Faces, device: torch.device) -> "OnDevice":
        with warnings.catch_warnings():
            # Faces shared between processes are read-only, and nothing here writes to them.
            warnings.filterwarnings("ignore", "The given NumPy array is not writable")
            images, labels = torch.from_numpy(faces.images), torch.from_numpy(faces.labels)
        return cls(images.to(device), labels.to(device))

    def __len__(self) -> int:
        return len(self.labels)


def _epoch_seed(seed: int, epoch: int) -> int:
    return int(np.random.SeedSequence([seed, epoch]).generate_state(1)[0])


def _train_epoch(
    task: Task,
    state: State,
    faces: OnDevice,
    chances: Tensor | None,
    mix: Mixer,
    forward: Forward,
) -> None:
    config, device = task.config, faces.images.device
    total = torch.zeros((), device=device)
    state.model.train()
    for batch in torch.split(_order(len(faces), chances).to(device), config.batch_size):
        images = augment(scaled(faces.images[batch]), config.augmentation)
        images, labels = mix(images, faces.labels[batch])
        labels = distilled(labels, images, task, state)
        logits = forward(images)
        loss = functional.cross_entropy(logits, labels, label_smoothing=config.label_smoothing)
        state.optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        state.step()
        total += loss.detach()
    _require_finite(float(total), "training loss", state.epoch + 1)


def _require_finite(loss: float, name: str, epoch: int) -> None:
    if not math.isfinite(loss):
        raise Diverged(f"the {name} became {loss} in epoch {epoch}")


def _order(
    count: int,
    chances: Tensor | None,  # (count,) float64
) -> Tensor:  # (count,) int64
    if chances is None:
        return torch.randperm(count)
    return torch.multinomial(chances, count, replacement=True)


@torch.inference_mode()
def evaluate(model: FerNet, faces: OnDevice, classes: int) -> Scores:
    """Loss and confusion matrix of the model on faces as they are, in evaluation mode."""
    device = faces.images.device
    loss = torch.zeros((), device=device)
    cells = torch.zeros(classes * classes, dtype=torch.int64, device=device)
    model = model.fused()
    batches = (torch.split(tensor, EVALUATION_BATCH) for tensor in (faces.images, faces.labels))
    for images, labels in zip(*batches, strict=True):
        with autocast(device):
            logits = model(scaled(images))
        loss += functional.cross_entropy(logits.float(), labels, reduction="sum")
        cells += torch.bincount(labels * classes + logits.argmax(1), minlength=classes * classes)
    return Scores(float(loss) / len(faces), cells.view(classes, classes).cpu().numpy())
