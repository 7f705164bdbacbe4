"""A configuration trained to its full length, then tested, once."""

import warnings
from collections.abc import Callable
from dataclasses import dataclass

import torch

from fer_tune.common.filesystem import Directory
from fer_tune.data.faces import Faces
from fer_tune.data.trial_data import TrialData
from fer_tune.model import FerNet, scale_pixels
from fer_tune.scoring.metrics import EpochResult, Scores, find_best_epoch
from fer_tune.scoring.predictions import Predictions, build_confusion_matrix
from fer_tune.trial import checkpoint
from fer_tune.trial.device import pick_device, use_autocast
from fer_tune.trial.train_state import TrialSpec, init_state
from fer_tune.trial.training_loop import EVALUATION_BATCH, DeviceData, fit


@dataclass(frozen=True, eq=False)
class TrainedModel:
    """A trained network at its best epoch.

    best: the epoch that the validation faces chose.
    test: that epoch's weights on the test faces, which chose nothing.
    predictions: what they said of each test face.
    """

    model: FerNet
    best: EpochResult
    test_scores: Scores
    predictions: Predictions


def train_and_test(
    spec: TrialSpec,
    data: TrialData,
    test_faces: Faces,
    folder: Directory,
    on_epoch: Callable[[EpochResult], None],
    warn: Callable[[str], None] = warnings.warn,
) -> TrainedModel:
    """Train as `task` says, keep the best epoch's weights, and score them on the test faces.

    folder: holds a checkpoint after each epoch, from which the same call goes on where it was
        stopped; `on_epoch` is then told of the earlier epochs again.
    say: is told why a checkpoint could not be used.
    Raises Diverged where a loss becomes NaN or infinite.
    """
    device = pick_device()
    count, classes = len(data.training.faces), len(data.classes)
    state = checkpoint.load_or_init(lambda: init_state(spec, count, classes, device), folder, warn)
    for result in state.history:
        on_epoch(result)
    for result in fit(spec, state, data, device):
        checkpoint.save_state(state, folder)
        on_epoch(result)
    best = find_best_epoch(state.history, spec.metric)
    assert best is not None
    state.model.load_state_dict(state.best_weights)
    return TrainedModel(
        state.model,
        best,
        *predict_and_score(state.model, DeviceData.from_faces(test_faces, device), classes),
    )


@torch.inference_mode()
def predict_and_score(model: FerNet, faces: DeviceData, classes: int) -> tuple[Scores, Predictions]:
    """The model on faces as they are, in evaluation mode, and what it said of each of them.

    Their mirror images are read along, so that flip averaging needs no second reading.
    """
    model, parts = model.fuse_for_evaluation(), []
    for images in torch.split(faces.images, EVALUATION_BATCH):
        for view in (images, images.flip(-1)):
            with use_autocast(images.device):
                logits = model(scale_pixels(view))
            parts.append(logits.double().log_softmax(dim=1).cpu())
    plain, mirrored = torch.cat(parts[::2]), torch.cat(parts[1::2])
    truth = faces.labels.cpu()
    loss = -float(plain.gather(1, truth[:, None]).mean())
    said = Predictions.from_probabilities(
        truth.numpy(), plain.exp().numpy(), mirrored.exp().numpy()
    )
    return Scores(loss, build_confusion_matrix(said.truth, said.predicted, classes)), said
