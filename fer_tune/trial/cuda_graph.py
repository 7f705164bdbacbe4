"""The forward pass of a training step, and on a GPU its recording."""

from collections.abc import Callable
from typing import cast

import torch
from torch import Tensor, nn

from fer_tune.data.faces import SIDE
from fer_tune.model import FerNet
from fer_tune.trial.device import use_autocast

# Steps of a trial that make up for the second or so that recording takes.
MIN_STEPS_TO_RECORD = 500

ForwardFunction = Callable[[Tensor], Tensor]


def make_training_forward(
    model: FerNet, batch_size: int, steps: int, device: torch.device
) -> ForwardFunction:
    """What takes images, (B, 1, 48, 48) float32, to logits, (B, classes) float32, with gradients.

    A network as small as this one keeps a GPU waiting for its next kernel. So in a trial of many
    steps, whole batches replay a CUDA graph of the forward and the backward pass.

    batch: faces in a whole batch; smaller ones run as they are.
    steps: of the whole trial, so that one that goes on computes as it did before.
    """
    plain = _AutocastModel(model, device).train()
    if device.type != "cuda" or steps < MIN_STEPS_TO_RECORD:
        return plain
    recorded = _record_graph(model, batch_size, device)
    return lambda images: recorded(images) if len(images) == batch_size else plain(images)


class _AutocastModel(nn.Module):
    """A model in the precision of its device."""

    def __init__(self, model: FerNet, device: torch.device) -> None:
        super().__init__()
        self._model = model
        self._device = device

    def forward(self, images: Tensor) -> Tensor:
        with use_autocast(self._device):
            logits: Tensor = self._model(images)
        return logits.float()


def _record_graph(model: FerNet, batch_size: int, device: torch.device) -> ForwardFunction:
    # Recording runs the model a few times, which must not count in its running statistics.
    buffers = {name: buffer.clone() for name, buffer in model.named_buffers()}
    # A module of its own: recording replaces its forward, and the model is evaluated as well.
    module = _AutocastModel(model, device).train()
    sample = torch.zeros(batch_size, 1, SIDE, SIDE, device=device)
    # Replaying on the stream of the rest is right, and torch would warn of it in every process.
    torch.autograd.graph.set_warn_on_accumulate_grad_stream_mismatch(False)
    recorded = cast(ForwardFunction, torch.cuda.make_graphed_callables(module, (sample,)))
    for name, buffer in model.named_buffers():
        buffer.copy_(buffers[name])
    return recorded
