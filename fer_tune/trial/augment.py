"""Random augmentation of a batch of training faces, on their device, each face differently."""

import math
from collections.abc import Callable

import torch
from torch import Tensor
from torch.nn import functional

# The ranges at strength 1, which helped on FER2013 (Khaireddin & Chen 2021, section 3.2: shifts up
# to 20 %, rotation up to 10 degrees, zoom up to 20 %, erasing). Vertical flips and strong darkening
# hurt, so they are left out.
ROTATION = math.radians(15)
SHIFT = 0.2  # of the side
ZOOM = 0.2
BRIGHTNESS = 0.15
CONTRAST = 0.3
ERASE_CHANCE = 0.5
ERASE_SIDE = 0.4  # of the side, at most

MixFunction = Callable[[Tensor, Tensor], tuple[Tensor, Tensor]]


def make_mixup_function(alpha: float, classes: int) -> MixFunction:
    """Return a function that mixes the faces of a batch in pairs (Zhang et al. 2018, section 2).

    It takes images (B, 1, H, W) and labels (B,), and returns images and class shares (B, classes).
    With alpha 0 it returns its arguments. It draws from torch's global generator.
    """
    if alpha == 0:
        return lambda images, labels: (images, labels)
    from torchvision.transforms.v2 import MixUp

    mix: MixFunction = MixUp(alpha=alpha, num_classes=classes)
    return mix


def augment_images(
    images: Tensor,  # (B, 1, H, W) float in [0, 1]
    strength: float,
    is_flipped: Tensor | None = None,  # (B,) bool; drawn by default
) -> Tensor:  # (B, 1, H, W) float in [0, 1]
    """Flip half of the faces; rotate, shift, zoom, relight and erase in proportion to `strength`.

    Strength 0 returns the images unchanged. Draws from torch's global generator.
    """
    if strength == 0:
        return images
    images = _transform_geometry(images, strength, is_flipped)
    return _erase_randomly(_change_lighting(images, strength), strength)


def _transform_geometry(images: Tensor, strength: float, is_flipped: Tensor | None) -> Tensor:
    count = len(images)
    angle = _draw_signed(images, count) * ROTATION * strength
    zoom = 1 + _draw_signed(images, count) * ZOOM * strength
    if is_flipped is None:
        is_flipped = torch.rand(count, device=images.device) < 0.5
    flip = torch.where(is_flipped, -1.0, 1.0)
    # affine_grid measures in half sides, from -1 to 1.
    shift = _draw_signed(images, count, 2) * 2 * SHIFT * strength
    cosine, sine = torch.cos(angle) * zoom, torch.sin(angle) * zoom
    rows = [cosine * flip, -sine, shift[:, 0], sine * flip, cosine, shift[:, 1]]
    matrix = torch.stack(rows, dim=1).view(count, 2, 3)
    grid = functional.affine_grid(matrix, list(images.shape), align_corners=False).to(images.dtype)
    return functional.grid_sample(images, grid, padding_mode="border", align_corners=False)


def _change_lighting(images: Tensor, strength: float) -> Tensor:
    count = len(images)
    contrast = 1 + _draw_signed(images, count, 1, 1, 1) * CONTRAST * strength
    brightness = _draw_signed(images, count, 1, 1, 1) * BRIGHTNESS * strength
    mean = images.mean(dim=(1, 2, 3), keepdim=True)
    return ((images - mean) * contrast + mean + brightness).clamp(0, 1)


def _erase_randomly(images: Tensor, strength: float) -> Tensor:
    """Erase a random rectangle (Zhong et al. 2017), filled with the mean grey of the face."""
    count, _, height, width = images.shape
    centre = torch.rand(2, count, 1, device=images.device)
    half = torch.rand(2, count, 1, device=images.device) * ERASE_SIDE * strength / 2
    rows = torch.linspace(0, 1, height, device=images.device)
    columns = torch.linspace(0, 1, width, device=images.device)
    inside_rows = (rows - centre[0]).abs() < half[0]  # (B, H)
    inside_columns = (columns - centre[1]).abs() < half[1]  # (B, W)
    is_erased = torch.rand(count, 1, 1, device=images.device) < ERASE_CHANCE
    hole = (is_erased & inside_rows[:, :, None] & inside_columns[:, None, :]).unsqueeze(1)
    return torch.where(hole, images.mean(dim=(1, 2, 3), keepdim=True), images)


def _draw_signed(like: Tensor, *shape: int) -> Tensor:
    """Draw uniform numbers in [-1, 1) on the device of `like`."""
    return torch.rand(*shape, device=like.device) * 2 - 1
