"""Recipes: the best configuration of `regularize`, with changes that fer_tune does not have."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.optim import Muon, Optimizer

from fer_tune.model import ConvBlock, FerNet
from fer_tune.study.search_space.load_space import find_space_file, load_space
from fer_tune.trial_config import TrialConfig

SMALL_SIDE = 32


@dataclass(frozen=True)
class Recipe:
    """Changes to the first trial of `regularize`.

    config: changed hyperparameters.
    flip: `alternating` flips half of the faces in even epochs and the other half in odd epochs
        (Jordan 2024, section 3.6).
    dirac: start the convolutions after the pooling as the identity.
    frozen_scales: keep the scales of the batch normalisation at 1.
    norm_momentum: momentum of the running statistics of the batch normalisation.
    small_share: share of the epochs that train on faces of 32 x 32 pixels, at the beginning.
    patches: take 2 x 2 pixels as four channels instead of pooling in the first block.
    pool_first: pool before the first convolution of each further block, not after it.
    muon: learning rate of Muon for all convolutions but the first (Jordan et al. 2024); 0 is none.
    memory: self-distillation from a mean of each face's earlier predictions, which needs no forward
        pass (Laine & Aila 2017, section 2.2); the mean keeps this share of its value. 0 is none.
    """

    config: Mapping[str, Any] = field(default_factory=dict)
    flip: Literal["random", "alternating"] = "random"
    dirac: bool = False
    frozen_scales: bool = False
    norm_momentum: float = 0.1
    small_share: float = 0.0
    patches: bool = False
    pool_first: bool = False
    muon: float = 0.0
    memory: float = 0.0

    def make_config(self) -> TrialConfig:
        """Return the configuration of its trials."""
        first = load_space(find_space_file("regularize")).first_trials[0]
        return TrialConfig.model_validate({**first, **self.config})


RECIPES: dict[str, Recipe] = {
    "as long": Recipe(),
    "alternating flip": Recipe(flip="alternating"),
    "sgd .1": Recipe({"optimizer": "sgd", "learning_rate": 0.1, "weight_decay": 5e-4}),
    "sgd .03": Recipe({"optimizer": "sgd", "learning_rate": 0.03, "weight_decay": 5e-4}),
    "dirac": Recipe(dirac=True),
    "frozen scales": Recipe(frozen_scales=True),
    "norm momentum .4": Recipe(norm_momentum=0.4),
    "half of the epochs small": Recipe(small_share=0.5),
    "two thirds small": Recipe(small_share=2 / 3),
    "patches": Recipe(patches=True),
    "pooling first": Recipe(pool_first=True),
    "muon .01": Recipe(muon=0.01),
    "memory .6": Recipe({"mixup": 0.0}, memory=0.6),
    "no mixup": Recipe({"mixup": 0.0}),
}


def change_network(model: FerNet, recipe: Recipe) -> None:
    """Change a new network as the recipe says."""
    blocks = [block for block in model.features if isinstance(block, ConvBlock)]
    if recipe.patches:
        width = model.config.width
        convolution = nn.Conv2d(4, width, 3, padding=1, bias=False)
        blocks[0].first = nn.Sequential(nn.PixelUnshuffle(2), convolution, nn.BatchNorm2d(width))
        blocks[0].pool = nn.Identity()  # type: ignore[assignment]
    if recipe.pool_first:
        for block in blocks[1:]:
            block.first, block.pool = nn.Sequential(block.pool, *block.first), nn.Identity()  # type: ignore[assignment]
    for module in model.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.momentum = recipe.norm_momentum
            module.weight.requires_grad_(not recipe.frozen_scales)
    if recipe.dirac:
        for block in blocks:
            for module in block.further:
                if isinstance(module, nn.Conv2d):
                    nn.init.dirac_(module.weight)


def list_muon_weights(model: FerNet) -> list[nn.Parameter]:
    """Return the weights of all convolutions but the first, as matrices of the same memory."""
    kernels = [module.weight for module in model.modules() if isinstance(module, nn.Conv2d)][1:]
    matrices = [_view_as_matrix(kernel) for kernel in kernels]
    for kernel, matrix in zip(kernels, matrices, strict=True):
        kernel.register_post_accumulate_grad_hook(_make_grad_hook(matrix))  # type: ignore[no-untyped-call]
    return matrices


def _view_as_matrix(kernel: Tensor) -> nn.Parameter:
    matrix = nn.Parameter(kernel.detach().permute(0, 2, 3, 1).flatten(1))
    assert matrix.data_ptr() == kernel.data_ptr(), "the kernel is not channels last"
    return matrix


def _make_grad_hook(matrix: nn.Parameter) -> Any:  # a hook of torch
    def move_grad(kernel: Tensor) -> None:
        assert kernel.grad is not None
        matrix.grad = kernel.grad.permute(0, 2, 3, 1).flatten(1)
        kernel.grad = None  # so that the other optimizer leaves it alone

    return move_grad


def make_muon(matrices: list[nn.Parameter], recipe: Recipe, config: TrialConfig) -> Optimizer:
    """Return Muon with the scale of AdamW's updates."""
    return Muon(
        matrices,
        lr=recipe.muon,
        weight_decay=config.weight_decay,
        adjust_lr_fn="match_rms_adamw",
    )


def shrink_images(images: Tensor) -> Tensor:
    """Return images of 32 x 32 pixels."""
    small: Tensor = functional.interpolate(
        images, (SMALL_SIDE, SMALL_SIDE), mode="bilinear", antialias=True
    )
    return small.contiguous(memory_format=torch.channels_last)
