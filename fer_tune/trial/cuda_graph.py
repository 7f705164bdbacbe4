"""The forward pass of a training step, recorded as a CUDA graph on a GPU."""

from collections.abc import Callable
from typing import cast

import torch
from torch import Tensor, nn

from fer_tune.data.faces import SIDE
from fer_tune.model import FerNet
from fer_tune.trial.device import use_autocast

# Recording takes about a second; shorter trials do not save as much.
MIN_STEPS_TO_RECORD = 500

ForwardFunction = Callable[[Tensor], Tensor]


def make_training_forward(
    model: FerNet, batch_size: int, steps: int, device: torch.device
) -> ForwardFunction:
    """Return a function from images, (B, 1, 48, 48) float32, to logits, (B, classes) float32.

    With so small a network, a GPU waits for its next kernel most of the time. So full batches of a
    long trial replay a CUDA graph of the forward and the backward pass.

    batch_size: faces in a full batch; smaller batches run without the graph.
    steps: steps of the whole trial, so that a resumed trial computes as it did before.
    """
    plain = _AutocastModel(model, device).train()
    if device.type != "cuda" or steps < MIN_STEPS_TO_RECORD:
        return plain
    recorded = _record_graph(model, batch_size, device)
    return lambda images: recorded(images) if len(images) == batch_size else plain(images)


class _AutocastModel(nn.Module):
    """A model that computes in the precision of its device."""

    def __init__(self, model: FerNet, device: torch.device) -> None:
        super().__init__()
        self._model = model
        self._device = device

    def forward(self, images: Tensor) -> Tensor:
        with use_autocast(self._device):
            logits: Tensor = self._model(images)
        return logits.float()


def _record_graph(model: FerNet, batch_size: int, device: torch.device) -> ForwardFunction:
    # Recording runs the model a few times, which must not change its running statistics.
    buffers = {name: buffer.clone() for name, buffer in model.named_buffers()}
    # A separate module: recording replaces its forward, and the model is evaluated too.
    module = _AutocastModel(model, device).train()
    sample = torch.zeros(batch_size, 1, SIDE, SIDE, device=device)
    # Replaying on the current stream is correct, but torch would warn about it in every process.
    torch.autograd.graph.set_warn_on_accumulate_grad_stream_mismatch(False)
    recorded = cast(ForwardFunction, torch.cuda.make_graphed_callables(module, (sample,)))
    for name, buffer in model.named_buffers():
        buffer.copy_(buffers[name])
    return recorded
