"""FerNet: a LeNet-style CNN of configurable depth, width, head and dropout."""

from copy import deepcopy
from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.nn.utils.fusion import fuse_conv_bn_eval

from fer_tune.data.faces import SIDE
from fer_tune.model_config import ModelConfig


class FerNet(nn.Module):
    """A network of convolution blocks, which halve the face's side, and linear layers.

    config: shape of the network.
    """

    def __init__(self, config: ModelConfig, classes: int) -> None:
        super().__init__()
        self.config = config
        channels = [1, *(config.width * 2**block for block in range(config.depth))]
        sides = (SIDE // 2**block for block in range(config.depth))
        pairs = zip(pairwise(channels), sides, strict=True)
        self.features = nn.Sequential(*(ConvBlock(*pair, side, config) for pair, side in pairs))
        layers: list[nn.Module]
        match config.head:
            case "hidden":
                flat = channels[-1] * (SIDE // 2**config.depth) ** 2
                layers = [nn.Flatten()]
                for units in pairwise([flat, config.hidden_1, config.hidden_2]):
                    layers += [nn.Linear(*units), nn.ReLU(inplace=True), nn.Dropout(config.dropout)]
                layers.append(nn.Linear(config.hidden_2, classes))
            case "average":
                layers = [nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Dropout(config.dropout)]
                layers.append(nn.Linear(channels[-1], classes))
        self.head = nn.Sequential(*layers)

    def forward(
        self,
        images: Tensor,  # (B, 1, 48, 48) float in [0, 1]
    ) -> Tensor:  # (B, classes) logits
        logits: Tensor = self.head(self.features(images))
        return logits

    def fuse_for_evaluation(self) -> "FerNet":
        """Return an equal copy for evaluation, with batch norms fused into the convolutions."""
        model = deepcopy(self).eval()
        for block in model.features:
            assert isinstance(block, ConvBlock)
            block.first, block.further = _fuse_layers(block.first), _fuse_layers(block.further)
        return model

    fused = fuse_for_evaluation  # its name in the code inside models registered earlier


class ConvBlock(nn.Module):
    """A block of convolution, max-pooling and ReLU, then further convolutions.

    The paper pools after the ReLU. The result is the same, but the ReLU has a quarter of the work.
    Further convolutions come after pooling, so a shortcut past them needs no projection.
    """

    def __init__(self, channels_in: int, channels_out: int, side: int, config: ModelConfig) -> None:
        super().__init__()
        self.first = nn.Sequential(*_make_conv_layers(channels_in, channels_out))
        self.pool = nn.MaxPool2d(2)
        further: list[nn.Module] = []
        # A 3 x 3 window around a single pixel has nothing but padding beside it.
        for _ in range(config.convolutions - 1 if side // 2 > 1 else 0):
            further += [*_make_conv_layers(channels_out, channels_out), nn.ReLU(inplace=True)]
        self.further = nn.Sequential(*further[:-1])
        self.residual = config.residual

    def forward(
        self,
        images: Tensor,  # (B, channels_in, H, W)
    ) -> Tensor:  # (B, channels_out, H // 2, W // 2)
        pooled = functional.relu_(self.pool(self.first(images)))
        if not self.further:
            return pooled
        refined: Tensor = self.further(pooled)
        return functional.relu_(pooled + refined if self.residual else refined)


def _make_conv_layers(channels_in: int, channels_out: int) -> list[nn.Module]:
    # Without a bias: the batch norm has its own.
    convolution = nn.Conv2d(channels_in, channels_out, 3, padding=1, bias=False)
    return [convolution, nn.BatchNorm2d(channels_out)]


def _fuse_layers(layers: nn.Sequential) -> nn.Sequential:
    fused: list[nn.Module] = []
    for layer in layers:
        if isinstance(layer, nn.BatchNorm2d):
            convolution = fused.pop()
            assert isinstance(convolution, nn.Conv2d)
            layer = fuse_conv_bn_eval(convolution, layer)
        fused.append(layer)
    return nn.Sequential(*fused)


def count_parameters(model: nn.Module) -> int:
    """Return the number of trainable parameters."""
    return sum(p.numel() for p in model.parameters() if p.requires_grad)


def scale_pixels(
    images: Tensor,  # (B, 48, 48) uint8
) -> Tensor:  # (B, 1, 48, 48) float32 in [0, 1], channels last
    """Return pixels as the paper has them: divided by 255, without subtracting a mean."""
    scaled = images.unsqueeze(1).to(torch.float32).div_(255)
    return scaled.contiguous(memory_format=torch.channels_last)


scaled = scale_pixels  # as `FerNet.fused`
