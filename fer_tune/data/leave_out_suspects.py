"""Training without suspects: the most suspicious training faces are left out."""

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from fer_tune.data.faces import Faces
from fer_tune.data.resampling import DataPlan, TrainingFaces, select_faces
from fer_tune.data.trial_data import TrialData


def select_suspects(
    labels: NDArray[np.int64],  # (N,)
    ranks: NDArray[np.int64] | None,  # (N,), see `Faces.suspect_ranks`
    share: float,
) -> NDArray[np.bool_]:  # (N,)
    """Return which faces are left out: a share of them, the most suspicious first.

    Of no class more than half is left out, since a network guesses small classes badly.
    Raises ValueError without a list of suspects.
    """
    if ranks is None:
        raise ValueError("the training faces have no list of suspects")
    order = np.argsort(ranks)
    by_class = [order[labels[order] == label] for label in np.unique(labels)]
    may_go = np.concatenate([own[: len(own) // 2] for own in by_class])
    left_out = may_go[np.argsort(ranks[may_go])][: int(share * len(labels))]
    return np.isin(np.arange(len(labels)), left_out)


def leave_out_suspects(data: TrialData, share: float) -> TrialData:
    """Return the faces of a trial without its suspects and their copies.

    The share counts the originals of the data plan. Validation faces stay. The training accuracy is
    measured on faces that remain.
    """
    faces, originals = data.training.faces, data.training.originals
    is_suspect = select_suspects(originals.labels, originals.suspect_ranks, share)
    assert originals.suspect_ranks is not None
    left_out = originals.suspect_ranks[is_suspect]
    index, sample = (_find_remaining(own, left_out) for own in (faces, data.train_sample))
    weights = data.training.sampling_weights
    training = TrainingFaces(
        faces.take(index),
        copies=int((index >= len(originals)).sum()),
        sampling_weights=None if weights is None else weights[index] / weights[index].sum(),
    )
    # A tiny sample may consist of suspects only.
    kept = data.train_sample.take(sample) if len(sample) else data.train_sample
    return replace(data, training=training, train_sample=kept)


def count_faces_without_suspects(plan: DataPlan, train: Faces, seed: int, share: float) -> int:
    """Return how many faces an epoch has after `leave_out_suspects`, without making copies.

    train, seed: as for `apply_data_plan`.
    """
    originals, copied = select_faces(plan, train.labels, seed)
    assert train.suspect_ranks is not None
    labels, ranks = train.labels[originals], train.suspect_ranks[originals]
    remaining = originals[~select_suspects(labels, ranks, share)]
    return len(remaining) + int(np.isin(copied, remaining).sum())


def _find_remaining(faces: Faces, left_out: NDArray[np.int64]) -> NDArray[np.int64]:
    assert faces.suspect_ranks is not None
    return np.flatnonzero(~np.isin(faces.suspect_ranks, left_out))
