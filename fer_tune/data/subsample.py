"""Stratified samples: smaller sets of faces with the same class shares."""

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from fer_tune.common.errors import UserError
from fer_tune.common.safe_text import pluralize
from fer_tune.data.faces import Faces, Splits
from fer_tune.data.resampling import TrainingFaces

# One seed for the faces of every train score, so that gaps of all studies are comparable.
TRAIN_EVAL_SEED = 0


def sample_training_split(splits: Splits, size: int | None, seed: int) -> Splits:
    """Return the splits with a sample of the training split, which the protocol then describes.

    size: faces of the sample; None for all.

    Raises UserError if `size` is too small for one face of each class.
    """
    total = len(splits.train)
    train = draw_stratified_sample(splits.train, size or total, seed)
    protocol = f"{splits.protocol} {describe_sample(total, size)}".rstrip()
    return replace(splits, train=train, protocol=protocol)


def draw_stratified_sample(faces: Faces, size: int, seed: int) -> Faces:
    """Return `size` faces with the same class shares, or all of them if there are no more.

    Raises UserError if `size` is too small for one face of each class.
    """
    counts = np.bincount(faces.labels)
    classes = np.count_nonzero(counts)
    if size < classes:
        problem = f"cannot draw {pluralize(size, 'face')} of {classes} classes"
        raise UserError(f"{problem}; draw {classes} or more")
    if size >= len(faces):
        return faces
    return _draw_by_quota(faces, _allocate_quotas(counts, size), seed)


def describe_sample(total: int, size: int | None) -> str:
    """Return a sentence that says how many training faces train; empty if all do.

    total: faces of the training split.
    size: faces of the sample; None for all.
    """
    if size is None or size >= total:
        return ""
    return f"With --train-faces, {size:,} of {total:,} training faces are used."


def draw_train_eval_sample(training: TrainingFaces, train: Faces, size: int) -> Faces:
    """Return the faces on which the train scores of a trial are measured.

    The trial trains on all of them, and they are not augmented. They have the class shares of
    `train`, as the validation split has, so the gap between the two is a fair comparison.

    training: faces that the trial trains on.
    train: split from which the data plan made `training`.
    size: number of faces. There are fewer if the plan dropped too many of a class.
    """
    shares = np.bincount(train.labels)
    originals = training.originals
    available = np.bincount(originals.labels, minlength=len(shares))
    present = shares > 0
    largest = int((available[present] / shares[present]).min() * len(train))
    quotas = _allocate_quotas(shares, max(min(size, largest), int(np.count_nonzero(present))))
    return _draw_by_quota(originals, np.minimum(quotas, available), TRAIN_EVAL_SEED)


def _allocate_quotas(counts: NDArray[np.int64], size: int) -> NDArray[np.int64]:
    """Return `size` divided in proportion to `counts`, by largest remainder; no class gets 0."""
    exact = np.maximum(counts * (size / counts.sum()), counts > 0)
    quotas: NDArray[np.int64] = np.floor(exact).astype(np.int64)
    by_remainder = np.argsort(quotas - exact, kind="stable")
    quotas[by_remainder[: max(0, size - quotas.sum())]] += 1
    # Tiny classes got more than their share; the largest class gives these faces back.
    while quotas.sum() > size:
        quotas[quotas.argmax()] -= 1
    return quotas


def _draw_by_quota(faces: Faces, quotas: NDArray[np.int64], seed: int) -> Faces:
    rng = np.random.default_rng(seed)
    drawn = [
        rng.choice(np.flatnonzero(faces.labels == label), quota, replace=False)
        for label, quota in enumerate(quotas)
    ]
    return faces.take(np.sort(np.concatenate(drawn)))
