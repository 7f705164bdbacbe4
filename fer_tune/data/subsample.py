"""Smaller sets of faces in which every class has its share."""

import numpy as np
from numpy.typing import NDArray

from fer_tune.common.errors import UserError
from fer_tune.data.faces import Faces
from fer_tune.data.resampling import TrainingFaces

# Of the training faces on which train scores are taken: the same in every study and retraining,
# so that their gaps compare.
TRAIN_EVAL_SEED = 0


def draw_stratified_sample(faces: Faces, size: int, seed: int) -> Faces:
    """`size` of the faces, every class in proportion; all of them where there are no more.

    Raises UserError where `size` is too small for a face of every class.
    """
    counts = np.bincount(faces.labels)
    if size < np.count_nonzero(counts):
        raise UserError(f"cannot draw {size} faces: there are {np.count_nonzero(counts)} classes")
    return (
        faces if size >= len(faces) else _draw_by_quota(faces, _allocate_quotas(counts, size), seed)
    )


def draw_train_eval_sample(training: TrainingFaces, train: Faces, size: int) -> Faces:
    """The faces on which a trial's train scores are taken: ones that it trains on, as they are.

    `size` of them, with the class shares of `train`, so that the gap to validation compares like
    with like; fewer where the plan threw away too many of a class.

    training: what the trial trains on.
    train: the split that it was made from.
    """
    shares = np.bincount(train.labels)
    originals = training.originals
    kept = np.bincount(originals.labels, minlength=len(shares))
    there = shares > 0
    most = int((kept[there] / shares[there]).min() * len(train))
    quotas = _allocate_quotas(shares, max(min(size, most), int(np.count_nonzero(there))))
    return _draw_by_quota(originals, np.minimum(quotas, kept), TRAIN_EVAL_SEED)


def _allocate_quotas(counts: NDArray[np.int64], size: int) -> NDArray[np.int64]:
    """`size` divided by `counts`: the largest remainders are rounded up, no class is left out."""
    exact = np.maximum(counts * (size / counts.sum()), counts > 0)
    quotas: NDArray[np.int64] = np.floor(exact).astype(np.int64)
    by_remainder = np.argsort(quotas - exact, kind="stable")
    quotas[by_remainder[: max(0, size - quotas.sum())]] += 1
    # What tiny classes were given beyond their share comes from the largest, face by face.
    while quotas.sum() > size:
        quotas[quotas.argmax()] -= 1
    return quotas


def _draw_by_quota(faces: Faces, quotas: NDArray[np.int64], seed: int) -> Faces:
    rng = np.random.default_rng(seed)
    chosen = [
        rng.choice(np.flatnonzero(faces.labels == label), quota, replace=False)
        for label, quota in enumerate(quotas)
    ]
    return faces.take(np.sort(np.concatenate(chosen)))
