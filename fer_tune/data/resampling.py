"""Data plans: how the training faces of a trial are resampled. Other splits stay unchanged."""

import os
from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np
from numpy.typing import NDArray

from fer_tune.data.faces import Faces

DataPlan = Literal["original", "balanced", "oversampled", "sqrt_sampler"]
DATA_PLANS: tuple[DataPlan, ...] = get_args(DataPlan)
PLANS_WITH_COPIES: tuple[DataPlan, ...] = ("balanced", "oversampled")

BALANCED_COPIES = 10  # augmented copies of each original in the balanced plan, as in the paper

_Labels = NDArray[np.int64]  # (N,), also positions of faces


@dataclass(frozen=True, eq=False)
class TrainingFaces:
    """The faces of one data plan.

    faces: the originals, followed by augmented copies of them in some plans.
    copies: number of augmented copies, the last of `faces`.
    sampling_weights: (N,) float64, probability of drawing each face; they sum to 1. None if an
        epoch draws every face once.
    """

    faces: Faces
    copies: int = 0
    sampling_weights: NDArray[np.float64] | None = None

    @property
    def originals(self) -> Faces:
        """The faces without the augmented copies."""
        return self.faces.take(np.arange(len(self.faces) - self.copies))


def apply_data_plan(plan: DataPlan, train: Faces, seed: int) -> TrainingFaces:
    """Return the training faces of a plan; the same faces and seed give the same result.

    - original: the faces unchanged.
    - balanced: the paper's plan. Each class has as many originals as the smallest class, and ten
      augmented copies of each. Most faces of the large classes are dropped.
    - oversampled: every face, and augmented copies that make all classes as large as the largest.
    - sqrt_sampler: every face, drawn with probability proportional to 1/sqrt(size of its class).
    """
    if plan == "original":
        return TrainingFaces(train)
    if plan == "sqrt_sampler":
        weights = 1 / np.sqrt(np.bincount(train.labels)[train.labels])
        return TrainingFaces(train, sampling_weights=weights / weights.sum())
    originals, copied = select_faces(plan, train.labels, seed)
    faces = train.take(np.concatenate([originals, copied]))
    faces.images[len(originals) :] = _augment_images(train.images[copied], seed)
    return TrainingFaces(faces, copies=len(copied))


def select_faces(plan: DataPlan, labels: _Labels, seed: int) -> tuple[_Labels, _Labels]:
    """Return the positions of the originals, and that of the original of every copy.

    labels: classes of the faces that the plan resamples.
    """
    if plan not in PLANS_WITH_COPIES:
        return np.arange(len(labels)), np.arange(0)
    rng = np.random.default_rng(seed)
    members = [np.flatnonzero(labels == label) for label in np.unique(labels)]
    sizes = list(map(len, members))
    if plan == "balanced":
        drawn = [rng.choice(own, min(sizes), replace=False) for own in members]
        originals = np.sort(np.concatenate(drawn))
        return originals, np.repeat(originals, BALANCED_COPIES)
    # np.resize repeats a class's shuffled faces in turn: copies spread evenly over its originals.
    copied = [np.resize(rng.permutation(own), max(sizes) - len(own)) for own in members]
    return np.arange(len(labels)), np.concatenate(copied)


def count_epoch_faces(plan: DataPlan, labels: _Labels) -> int:
    """Return how many faces an epoch of the plan has, without making copies.

    labels: classes of the faces that the plan resamples.
    """
    return sum(map(len, select_faces(plan, labels, seed=0)))


def _augment_images(images: NDArray[np.uint8], seed: int) -> NDArray[np.uint8]:
    """Return each face, (N, 48, 48), rotated, mirrored, scaled and relit at random."""
    os.environ.setdefault("NO_ALBUMENTATIONS_UPDATE", "1")  # else importing it asks the network
    import albumentations as A
    import cv2

    border = {"keep_ratio": True, "border_mode": cv2.BORDER_REPLICATE}
    steps = [
        A.HorizontalFlip(p=0.5),
        A.Affine(rotate=(-15, 15), scale=(0.9, 1.1), p=1, **border),
        A.RandomBrightnessContrast(brightness_limit=0.2, contrast_limit=0.2, p=1),
    ]
    transform = A.Compose(steps, seed=seed)
    copies = np.empty_like(images)
    for copy, image in zip(copies, images, strict=True):
        copy[:] = transform(image=image)["image"]
    return copies
