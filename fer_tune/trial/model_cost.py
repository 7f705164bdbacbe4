"""The cost of a model: its size, and the work and time of a face."""

import timeit
from statistics import median
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

from fer_tune.common.safe_text import pluralize
from fer_tune.data.faces import SIDE
from fer_tune.model import FaceClassifier, FerNet, count_parameters
from fer_tune.model_config import ModelConfig

_FACES = 64  # that are predicted at once
_REPEATS = 3


class ModelCost(NamedTuple):
    """The cost of a model.

    multiply_adds: of convolutions and linear layers, for one face in all its views.
    seconds: time of one face, if it is predicted together with others.
    conditions: where the time was measured.
    """

    parameters: int
    multiply_adds: int
    seconds: float
    conditions: str


def measure_cost(model: FaceClassifier) -> ModelCost:
    """Return the cost of a model on its device."""
    fused, device = model.fuse_for_evaluation(), next(model.parameters()).device
    face = torch.zeros(1, SIDE, SIDE, dtype=torch.uint8, device=device)
    multiply_adds = count_multiply_adds(fused, face)
    faces = np.zeros((_FACES, SIDE, SIDE), np.uint8)
    samples = timeit.repeat(lambda: fused.predict_probabilities(faces), number=1, repeat=_REPEATS)
    name = f"a CPU with {pluralize(torch.get_num_threads(), 'thread')}"
    if device.type == "cuda":
        name = torch.cuda.get_device_name(device)
    conditions = f"on {name}, {_FACES} faces at once"
    return ModelCost(count_parameters(model), multiply_adds, median(samples) / _FACES, conditions)


def count_multiply_adds(
    model: nn.Module,
    face: Tensor,  # what the model takes, for one face
) -> int:
    """Return the multiply-adds of convolutions and linear layers for one face."""
    with torch.no_grad(), FlopCounterMode(display=False) as counter:
        model(face)
    return int(counter.get_total_flops()) // 2


def count_network_multiply_adds(config: ModelConfig, classes: int) -> int:
    """Return the multiply-adds of a network for one face, without making its weights."""
    with torch.device("meta"):  # takes no memory and no time
        return count_multiply_adds(FerNet(config, classes).eval(), torch.zeros(1, 1, SIDE, SIDE))
