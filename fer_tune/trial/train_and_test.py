"""A configuration trained to its full length, then tested, once."""

import warnings
from collections.abc import Callable
from dataclasses import dataclass

import torch

from fer_tune.common.filesystem import Folder
from fer_tune.data.faces import Faces
from fer_tune.data.trial_data import TrialFaces
from fer_tune.model import FerNet, scaled
from fer_tune.scoring.metrics import EpochResult, Scores, best_result
from fer_tune.scoring.predictions import Predictions, confusion
from fer_tune.trial import checkpoint
from fer_tune.trial.device import autocast, pick_device
from fer_tune.trial.train_state import Task, fresh_state
from fer_tune.trial.training_loop import EVALUATION_BATCH, OnDevice, fit


@dataclass(frozen=True, eq=False)
class Final:
    """A trained network at its best epoch.

    best: the epoch that the validation faces chose.
    test: that epoch's weights on the test faces, which chose nothing.
    predictions: what they said of each test face.
    """

    model: FerNet
    best: EpochResult
    test: Scores
    predictions: Predictions


def train_and_test(
    task: Task,
    faces: TrialFaces,
    test: Faces,
    folder: Folder,
    on_epoch: Callable[[EpochResult], None],
    say: Callable[[str], None] = warnings.warn,
) -> Final:
    """Train as `task` says, keep the best epoch's weights, and score them on the test faces.

    folder: holds a checkpoint after each epoch, from which the same call goes on where it was
        stopped; `on_epoch` is then told of the earlier epochs again.
    say: is told why a checkpoint could not be used.
    Raises Diverged where a loss becomes NaN or infinite.
    """
    device = pick_device()
    count, classes = len(faces.training.faces), len(faces.classes)
    state = checkpoint.go_on(lambda: fresh_state(task, count, classes, device), folder, say)
    for result in state.history:
        on_epoch(result)
    for result in fit(task, state, faces, device):
        checkpoint.save(state, folder)
        on_epoch(result)
    best = best_result(state.history, task.metric)
    assert best is not None
    state.model.load_state_dict(state.best_weights)
    return Final(state.model, best, *tested(state.model, OnDevice.of(test, device), classes))


@torch.inference_mode()
def tested(model: FerNet, faces: OnDevice, classes: int) -> tuple[Scores, Predictions]:
    """The model on faces as they are, in evaluation mode, and what it said of each of them.

    Their mirror images are read along, so that flip averaging needs no second reading.
    """
    model, parts = model.fused(), []
    for images in torch.split(faces.images, EVALUATION_BATCH):
        for view in (images, images.flip(-1)):
            with autocast(images.device):
                logits = model(scaled(view))
            parts.append(logits.double().log_softmax(dim=1).cpu())
    plain, mirrored = torch.cat(parts[::2]), torch.cat(parts[1::2])
    truth = faces.labels.cpu()
    loss = -float(plain.gather(1, truth[:, None]).mean())
    said = Predictions.of(truth.numpy(), plain.exp().numpy(), mirrored.exp().numpy())
    return Scores(loss, confusion(said.truth, said.predicted, classes)), said
