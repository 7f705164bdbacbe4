"""FerNet, a LeNet-style CNN, and the classifier that averages networks over views of a face."""

import math
from collections.abc import Mapping, Sequence
from copy import deepcopy
from itertools import pairwise
from typing import cast

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional
from torch.nn.utils.fusion import fuse_conv_bn_eval

from fer_tune.data.faces import SIDE
from fer_tune.model_config import ModelConfig, TtaName

_BATCH_SIZE = 512  # faces on the device at once

# Of the views `six`, to the left and to the right. On FER2013's validation faces, shifts by one
# pixel gave a lower loss than shifts by two.
_SHIFT_PIXELS = 1


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


class FaceClassifier(nn.Module):
    """Networks that classify together: their mean probabilities over all views of a face.

    networks: networks with the same classes.
    tta: views of a face, for test-time augmentation.
    temperature: divides the logarithm of the mean probabilities; 1 changes nothing.
    """

    def __init__(
        self, networks: Sequence[FerNet], tta: TtaName = "none", temperature: float = 1.0
    ) -> None:
        super().__init__()
        self._networks = nn.ModuleList(networks)
        self.tta: TtaName = tta
        self.temperature = temperature

    @property
    def networks(self) -> list[FerNet]:
        """The networks."""
        return cast("list[FerNet]", list(self._networks))

    def forward(
        self,
        faces: Tensor,  # (B, 48, 48) uint8
    ) -> Tensor:  # (B, classes) float32 probabilities
        logits = [
            network(view).float().log_softmax(dim=1)
            for view in make_views(scale_pixels(faces), self.tta)
            for network in self.networks
        ]
        mean = torch.stack(logits).logsumexp(dim=0) - math.log(len(logits))
        return (mean / self.temperature).softmax(dim=1)

    @torch.inference_mode()
    def predict_probabilities(
        self,
        faces: NDArray[np.uint8],  # (N, 48, 48)
    ) -> NDArray[np.float64]:  # (N, classes), rows summing to 1
        """Predict in evaluation mode, on the device of the networks."""
        model = self.fuse_for_evaluation() if self.training else self
        device = next(self.parameters()).device
        # A copy, because PyTorch warns of faces that are read-only, and refuses a mirrored view.
        batches = torch.split(torch.from_numpy(faces.copy()), _BATCH_SIZE)
        probabilities = torch.cat([model(batch.to(device)).double().cpu() for batch in batches])
        return np.asarray(probabilities / probabilities.sum(dim=1, keepdim=True))

    def copy_weights(self) -> dict[str, Tensor]:
        """Return the weights on the CPU; those of a single network have its own names."""
        source = self.networks[0] if len(self.networks) == 1 else self._networks
        return {name: value.cpu().contiguous() for name, value in source.state_dict().items()}

    def load_weights(self, weights: Mapping[str, Tensor]) -> None:
        """Load what `copy_weights` returned."""
        target = self.networks[0] if len(self.networks) == 1 else self._networks
        target.load_state_dict(weights)

    def fuse_for_evaluation(self) -> "FaceClassifier":
        """Return an equal copy for evaluation, with batch norms fused into the convolutions."""
        networks = [network.fuse_for_evaluation() for network in self.networks]
        return FaceClassifier(networks, self.tta, self.temperature).eval()


def make_views(
    images: Tensor,  # (B, 1, 48, 48) float
    tta: TtaName,
) -> list[Tensor]:
    """Return the images, and for test-time augmentation their mirror images and shifted ones.

    Pixels at the border are repeated into the gap that a shift leaves.
    """
    if tta == "none":
        return [images]
    views = [images]
    if tta == "six":
        padded = functional.pad(images, [_SHIFT_PIXELS, _SHIFT_PIXELS, 0, 0], mode="replicate")
        starts = _SHIFT_PIXELS, 0, 2 * _SHIFT_PIXELS
        views = [padded[..., start : start + SIDE] for start in starts]
    return [side for view in views for side in (view, view.flip(-1))]


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
