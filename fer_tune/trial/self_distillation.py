"""Self-distillation: labels mixed with the network's own predictions."""

import torch
from torch import Tensor
from torch.nn import functional

from fer_tune.trial.device import use_autocast
from fer_tune.trial.train_state import TrainState, TrialSpec


@torch.no_grad()
def distill_labels(
    labels: Tensor,  # (B,) int64, or (B, classes) shares of the classes
    images: Tensor,  # (B, 1, 48, 48) float in [0, 1], as the training step sees them
    spec: TrialSpec,
    state: TrainState,
) -> Tensor:  # as labels, or (B, classes) shares of the classes
    """Return labels mixed with predictions of the evaluated network.

    The share of the predictions grows with the epochs done (Kim et al. 2021, section 3, which uses
    the network of the epoch before).
    """
    share = spec.config.self_distillation * state.epochs_done / spec.epochs
    if share == 0:
        return labels
    teacher = state.evaluated_model.eval()
    with use_autocast(images.device):
        predicted = teacher(images).float().softmax(1)
    state.model.train()
    if labels.ndim == 1:
        labels = functional.one_hot(labels, predicted.shape[1])
    return torch.lerp(labels.to(predicted), predicted, share)
