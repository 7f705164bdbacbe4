"""Full training of one configuration, and its single test."""

import warnings
from collections.abc import Callable
from dataclasses import dataclass, replace

import torch

from fer_tune.common.disk_or_bucket import Directory
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
    """A trained network with the weights of its best epoch.

    best: best epoch, chosen by the validation faces alone.
    test_scores: scores of these weights on the test faces.
    predictions: predictions for each test face.
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
    """Train a configuration, then score the weights of its best epoch on the test faces.

    folder: folder of the checkpoint, written after each epoch. If training stops, the same call
        resumes it.
    on_epoch: called after each epoch; a resumed training calls it for the earlier epochs too.
    warn: called with the reason if a checkpoint cannot be used.

    Raises Diverged if a loss becomes NaN or infinite.
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
    on_device = DeviceData.from_faces(test_faces, device)
    scores, predictions = predict_and_score(state.model, on_device, classes)
    predictions = replace(predictions, names=test_faces.names)
    return TrainedModel(state.model, best, scores, predictions)


@torch.inference_mode()
def predict_and_score(model: FerNet, faces: DeviceData, classes: int) -> tuple[Scores, Predictions]:
    """Return scores and predictions on faces that are not augmented, in evaluation mode.

    It predicts the mirror images too, for test-time augmentation.
    """
    model, log_probabilities = model.fuse_for_evaluation(), []
    for images in torch.split(faces.images, EVALUATION_BATCH):
        for view in (images, images.flip(-1)):
            with use_autocast(images.device):
                logits = model(scale_pixels(view))
            log_probabilities.append(logits.double().log_softmax(dim=1).cpu())
    plain, flipped = torch.cat(log_probabilities[::2]), torch.cat(log_probabilities[1::2])
    truth = faces.labels.cpu()
    loss = -float(plain.gather(1, truth[:, None]).mean())
    probabilities = plain.exp().numpy(), flipped.exp().numpy()
    predictions = Predictions.from_probabilities(truth.numpy(), *probabilities)
    confusion = build_confusion_matrix(truth.numpy(), predictions.predicted, classes)
    return Scores(loss, confusion), predictions
