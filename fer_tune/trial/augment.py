"""Random changes to a batch of training faces, each face its own, on the device it is on."""

import math
from collections.abc import Callable

import torch
from torch import Tensor
from torch.nn import functional

# What strength 1 means. The ranges are those that helped on FER2013 (Khaireddin & Chen 2021,
# section 3.2: shifts up to 20 %, rotation up to 10 degrees, zoom up to 20 %, erasing); vertical
# flips and strong darkening hurt, so neither is here.
TURN = math.radians(15)
SHIFT = 0.2  # of the side
ZOOM = 0.2
BRIGHTNESS = 0.15
CONTRAST = 0.3
ERASE_CHANCE = 0.5
ERASE_SIDE = 0.4  # of the side, at most


MixFunction = Callable[[Tensor, Tensor], tuple[Tensor, Tensor]]


def make_mixup(alpha: float, classes: int) -> MixFunction:
    """What mixes the faces of a batch in pairs (mixup: Zhang et al. 2018, section 2).

    It takes images (B, 1, H, W) and labels (B,), and gives images and, where it mixes, the shares
    of the classes, (B, classes). Draws from torch's global generator; alpha 0 mixes nothing.
    """
    if alpha == 0:
        return lambda images, labels: (images, labels)
    from torchvision.transforms.v2 import MixUp

    mixed: MixFunction = MixUp(alpha=alpha, num_classes=classes)
    return mixed


def augment_images(
    images: Tensor,  # (B, 1, H, W) float in [0, 1]
    strength: float,
) -> Tensor:  # (B, 1, H, W) float in [0, 1]
    """Flip half of the faces; turn, shift, zoom, relight and erase in proportion to `strength`.

    Draws from torch's global generator. Strength 0 returns the images as they are.
    """
    if strength == 0:
        return images
    return _erase_randomly(
        _change_lighting(_transform_geometry(images, strength), strength), strength
    )


def _transform_geometry(images: Tensor, strength: float) -> Tensor:
    count = len(images)
    turn = _draw_signed(images, count) * TURN * strength
    zoom = 1 + _draw_signed(images, count) * ZOOM * strength
    flip = torch.where(torch.rand(count, device=images.device) < 0.5, -1.0, 1.0)
    # affine_grid measures in half sides, from -1 to 1.
    shift = _draw_signed(images, count, 2) * 2 * SHIFT * strength
    cosine, sine = torch.cos(turn) * zoom, torch.sin(turn) * zoom
    matrix = torch.stack(
        [cosine * flip, -sine, shift[:, 0], sine * flip, cosine, shift[:, 1]], dim=1
    ).view(count, 2, 3)
    grid = functional.affine_grid(matrix, list(images.shape), align_corners=False)
    return functional.grid_sample(
        images, grid.to(images.dtype), padding_mode="border", align_corners=False
    )


def _change_lighting(images: Tensor, strength: float) -> Tensor:
    count = len(images)
    contrast = 1 + _draw_signed(images, count, 1, 1, 1) * CONTRAST * strength
    brightness = _draw_signed(images, count, 1, 1, 1) * BRIGHTNESS * strength
    mean = images.mean(dim=(1, 2, 3), keepdim=True)
    return ((images - mean) * contrast + mean + brightness).clamp(0, 1)


def _erase_randomly(images: Tensor, strength: float) -> Tensor:
    """Random erasing (Zhong et al. 2017), the hole filled with the face's mean grey."""
    count, _, height, width = images.shape
    centre = torch.rand(2, count, 1, device=images.device)
    half = torch.rand(2, count, 1, device=images.device) * ERASE_SIDE * strength / 2
    rows = torch.linspace(0, 1, height, device=images.device)
    columns = torch.linspace(0, 1, width, device=images.device)
    inside_rows = (rows - centre[0]).abs() < half[0]  # (B, H)
    inside_columns = (columns - centre[1]).abs() < half[1]  # (B, W)
    chosen = torch.rand(count, 1, 1, device=images.device) < ERASE_CHANCE
    hole = (chosen & inside_rows[:, :, None] & inside_columns[:, None, :]).unsqueeze(1)
    return torch.where(hole, images.mean(dim=(1, 2, 3), keepdim=True), images)


def _draw_signed(like: Tensor, *shape: int) -> Tensor:
    return torch.rand(*shape, device=like.device) * 2 - 1
