"""FerNet: a LeNet-style CNN whose depth, width, head and dropout are configuration."""

from copy import deepcopy
from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn.utils.fusion import fuse_conv_bn_eval

from fer_tune.data.faces import SIDE
from fer_tune.model_config import ModelConfig


class FerNet(nn.Module):
    """Convolution, batch normalisation, max-pooling and ReLU blocks, then three linear layers.

    config: the shape it was made with.
    """

    def __init__(self, config: ModelConfig, classes: int) -> None:
        super().__init__()
        self.config = config
        channels = [1, *(config.width * 2**block for block in range(config.depth))]
        self.features = nn.Sequential(*(_block(*pair) for pair in pairwise(channels)))
        flat = channels[-1] * (SIDE // 2**config.depth) ** 2
        self.head = nn.Sequential(
            nn.Flatten(),
            *_hidden(flat, config.hidden_1, config.dropout),
            *_hidden(config.hidden_1, config.hidden_2, config.dropout),
            nn.Linear(config.hidden_2, classes),
        )

    def forward(
        self,
        images: Tensor,  # (B, 1, 48, 48) float in [0, 1]
    ) -> Tensor:  # (B, classes) logits
        logits: Tensor = self.head(self.features(images))
        return logits

    def fused(self) -> "FerNet":
        """A copy for evaluation: the same function, its normalisations part of its convolutions."""
        model = deepcopy(self).eval()
        model.features = nn.Sequential(*(_fused(block) for block in model.features))
        return model


def _block(channels_in: int, channels_out: int) -> nn.Sequential:
    # Without a bias: the normalisation after it has its own. The paper pools after the ReLU; the
    # greatest of four is the same either way, and here the ReLU has a quarter to do.
    return nn.Sequential(
        nn.Conv2d(channels_in, channels_out, 3, padding=1, bias=False),
        nn.BatchNorm2d(channels_out),
        nn.MaxPool2d(2),
        nn.ReLU(inplace=True),
    )


def _fused(block: nn.Module) -> nn.Sequential:
    convolution, normalisation, *rest = block.children()
    assert isinstance(convolution, nn.Conv2d)
    assert isinstance(normalisation, nn.BatchNorm2d)
    return nn.Sequential(fuse_conv_bn_eval(convolution, normalisation), *rest)


def _hidden(units_in: int, units_out: int, dropout: float) -> tuple[nn.Module, ...]:
    return nn.Linear(units_in, units_out), nn.ReLU(inplace=True), nn.Dropout(dropout)


def parameter_count(model: nn.Module) -> int:
    """Trainable parameters of `model`."""
    return sum(p.numel() for p in model.parameters() if p.requires_grad)


def scaled(
    images: Tensor,  # (B, 48, 48) uint8
) -> Tensor:  # (B, 1, 48, 48) float32 in [0, 1], channels last
    """Pixels as the paper feeds them: divided by 255, nothing subtracted."""
    return (
        images.unsqueeze(1)
        .to(torch.float32)
        .div_(255)
        .contiguous(memory_format=torch.channels_last)
    )
