"""The forward pass of a training step, and on a GPU its recording."""

from collections.abc import Callable
from typing import cast

import torch
from torch import Tensor, nn

from fer_tune.data.faces import SIDE
from fer_tune.model import FerNet
from fer_tune.trial.device import autocast

# Steps of a trial that make up for the second or so that recording takes.
WORTH_RECORDING = 500

Forward = Callable[[Tensor], Tensor]


def training_forward(model: FerNet, batch: int, steps: int, device: torch.device) -> Forward:
    """What takes images, (B, 1, 48, 48) float32, to logits, (B, classes) float32, with gradients.

    A network as small as this one keeps a GPU waiting for its next kernel. So in a trial of many
    steps, whole batches replay a CUDA graph of the forward and the backward pass.

    batch: faces in a whole batch; smaller ones run as they are.
    steps: of the whole trial, so that one that goes on computes as it did before.
    """
    plain = _Autocast(model, device).train()
    if device.type != "cuda" or steps < WORTH_RECORDING:
        return plain
    recorded = _recorded(model, batch, device)
    return lambda images: recorded(images) if len(images) == batch else plain(images)


class _Autocast(nn.Module):
    """A model in the precision of its device."""

    def __init__(self, model: FerNet, device: torch.device) -> None:
        super().__init__()
        self._model = model
        self._device = device

    def forward(self, images: Tensor) -> Tensor:
        with autocast(self._device):
            logits: Tensor = self._model(images)
        return logits.float()


def _recorded(model: FerNet, batch: int, device: torch.device) -> Forward:
    # Recording runs the model a few times, which must not count in its running statistics.
    buffers = {name: buffer.clone() for name, buffer in model.named_buffers()}
    # A module of its own: recording replaces its forward, and the model is evaluated as well.
    module = _Autocast(model, device).train()
    sample = torch.zeros(batch, 1, SIDE, SIDE, device=device)
    # Replaying on the stream of the rest is right, and torch would warn of it in every process.
    torch.autograd.graph.set_warn_on_accumulate_grad_stream_mismatch(False)
    recorded = cast(Forward, torch.cuda.make_graphed_callables(module, (sample,)))
    for name, buffer in model.named_buffers():
        buffer.copy_(buffers[name])
    return recorded
