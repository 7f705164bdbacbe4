"""Data plans: how the training faces of a trial are drawn. No other split of a study does."""

import os
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal, get_args

import numpy as np
from numpy.typing import NDArray

from fer_tune.data.faces import Faces

DataPlan = Literal["original", "balanced", "oversampled", "sqrt_sampler"]
DATA_PLANS: tuple[DataPlan, ...] = get_args(DataPlan)

BALANCED_COPIES = 10  # of each original in the balanced plan, as in the paper


@dataclass(frozen=True, eq=False)
class TrainingFaces:
    """What one data plan lets a trial train on.

    faces: originals, and with some plans augmented copies of them behind all originals.
    copies: how many of the faces, the last ones, are augmented copies of those before them.
    chances: (N,) float64, of a face to be drawn, summing to 1; None where an epoch sees each face
        once.
    """

    faces: Faces
    copies: int = 0
    sampling_weights: NDArray[np.float64] | None = None

    @property
    def originals(self) -> Faces:
        """The faces without the copies."""
        return self.faces.take(np.arange(len(self.faces) - self.copies))


def apply_data_plan(plan: DataPlan, train: Faces, seed: int) -> TrainingFaces:
    """What the plan `name` makes of the training faces; the same for the same faces and seed.

    original: the faces as they are.
    balanced: the paper's plan: as many originals of each class as the smallest class has, and ten
        augmented copies of each. Most faces of the large classes are thrown away.
    oversampled: every face, and each class filled up with augmented copies to the largest one.
    sqrt_sampler: every face, drawn with a chance in proportion to 1/sqrt(frequency of its class).
    """
    if plan == "original":
        return TrainingFaces(train)
    if plan == "sqrt_sampler":
        return TrainingFaces(train, sampling_weights=_weigh_by_sqrt_frequency(train.labels))
    rng = np.random.default_rng(seed)
    originals, copied = COPY_SELECTORS[plan](train.labels, rng)
    copies = _augment_images(train.images[copied], seed)
    return TrainingFaces(
        Faces(
            np.concatenate([train.images[originals], copies]),
            train.labels[np.concatenate([originals, copied])],
        ),
        copies=len(copied),
    )


def _weigh_by_sqrt_frequency(labels: NDArray[np.int64]) -> NDArray[np.float64]:
    chances = 1 / np.sqrt(np.bincount(labels)[labels])
    return np.asarray(chances / chances.sum(), dtype=np.float64)


def _select_balanced(
    labels: NDArray[np.int64], rng: np.random.Generator
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Positions of the originals kept, and of the original of every copy."""
    classes, counts = np.unique(labels, return_counts=True)
    kept = [rng.choice(np.flatnonzero(labels == c), counts.min(), replace=False) for c in classes]
    originals = np.sort(np.concatenate(kept))
    return originals, np.repeat(originals, BALANCED_COPIES)


def _select_oversampled(
    labels: NDArray[np.int64], rng: np.random.Generator
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Positions of the originals kept, and of the original of every copy."""
    classes, counts = np.unique(labels, return_counts=True)
    # np.resize repeats a class's shuffled faces in turn: copies spread evenly over its originals.
    copied = [
        np.resize(rng.permutation(np.flatnonzero(labels == c)), counts.max() - count)
        for c, count in zip(classes, counts, strict=True)
    ]
    return np.arange(len(labels)), np.concatenate(copied)


# The plans that make augmented copies, and what chooses for them as `_select_balanced` says.
COPY_SELECTORS: dict[
    DataPlan,
    Callable[[NDArray[np.int64], np.random.Generator], tuple[NDArray[np.int64], NDArray[np.int64]]],
] = {"balanced": _select_balanced, "oversampled": _select_oversampled}


def _augment_images(images: NDArray[np.uint8], seed: int) -> NDArray[np.uint8]:
    """Each face, (N, 48, 48), turned, mirrored, scaled, brightened and contrasted at random."""
    transform = _build_transform(seed)
    copies = np.empty_like(images)
    for copy, image in zip(copies, images, strict=True):
        copy[:] = transform(image=image)["image"]
    return copies


def _build_transform(seed: int) -> Callable[..., dict[str, Any]]:
    os.environ.setdefault("NO_ALBUMENTATIONS_UPDATE", "1")  # else it asks the network at import
    import albumentations as A
    import cv2

    transform: Callable[..., dict[str, Any]] = A.Compose(
        [
            A.HorizontalFlip(p=0.5),
            A.Affine(
                rotate=(-15, 15),
                scale=(0.9, 1.1),
                keep_ratio=True,
                border_mode=cv2.BORDER_REPLICATE,
                p=1,
            ),
            A.RandomBrightnessContrast(brightness_limit=0.2, contrast_limit=0.2, p=1),
        ],
        seed=seed,
    )
    return transform
