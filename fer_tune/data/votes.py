"""People's votes on faces, compared with the given labels, and as labels for training."""

import numpy as np
from numpy.typing import NDArray

from fer_tune.data.faces import Faces


def find_plurality(faces: Faces) -> NDArray[np.int64]:
    """Return (N,) classes with the most votes; -1 for a face without votes.

    If several classes have the most votes, the given label counts if it is among them.
    """
    if faces.votes is None:
        return np.full(len(faces), -1)
    given = faces.votes[np.arange(len(faces)), faces.labels]
    most = np.where(given == faces.votes.max(1), faces.labels, faces.votes.argmax(1))
    return np.where(np.isnan(given), -1, most)


def is_agreed(faces: Faces) -> NDArray[np.bool_]:
    """Return (N,) whether the given label alone has the most votes.

    All other faces with votes are disputed. Faces without votes are neither.
    """
    if faces.votes is None:
        return np.zeros(len(faces), np.bool_)
    has_most = faces.votes == faces.votes.max(1, keepdims=True)  # False for NaN
    has_given = has_most[np.arange(len(faces)), faces.labels]
    return np.asarray(has_given & (has_most.sum(1) == 1), np.bool_)


def get_label_shares(faces: Faces) -> NDArray[np.float32]:
    """Return (N, C) shares of the votes; for a face without votes, its given label alone.

    Raises ValueError if the data set has no votes.
    """
    if faces.votes is None:
        raise ValueError("the faces have no votes")
    labels = np.eye(faces.votes.shape[1], dtype=np.float32)[faces.labels]
    return np.where(np.isnan(faces.votes), labels, faces.votes)
