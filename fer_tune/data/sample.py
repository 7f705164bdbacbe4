"""Smaller sets of faces with the class proportions of the larger one."""

import numpy as np

from fer_tune.data.faces import Faces
from fer_tune.errors import UserError

# Of the training faces on which train scores are taken: the same in every study and retraining,
# so that their gaps compare.
CLEAN_SEED = 0


def clean_sample(train: Faces, size: int) -> Faces:
    """The training faces, as they are, on which a network's train scores are taken."""
    return stratified_sample(train, size, CLEAN_SEED)


def stratified_sample(faces: Faces, size: int, seed: int) -> Faces:
    """`size` of the faces, every class in proportion; all of them where there are no more.

    Raises UserError where `size` leaves a class without a face, or `faces` has a class of one.
    """
    if size >= len(faces):
        return faces
    from sklearn.model_selection import train_test_split

    try:
        chosen, _ = train_test_split(
            np.arange(len(faces)), train_size=size, stratify=faces.labels, random_state=seed
        )
    except ValueError as problem:
        raise UserError(f"cannot draw {size} faces of {len(faces)}: {problem}") from problem
    return faces.take(np.sort(chosen).astype(np.int64))
