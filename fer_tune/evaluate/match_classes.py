"""The labelled faces of the classes that a model knows."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from fer_tune.common.errors import UserError
from fer_tune.common.safe_text import join_first, pluralize
from fer_tune.data.faces import Faces
from fer_tune.data.formats.class_and_split_names import normalize_class


@dataclass(frozen=True, eq=False)
class MatchedFaces:
    """The faces of the classes that both a data set and a model have, in any spelling.

    faces: their labels are positions in `classes`.
    classes: as the data set spells them, in its order.
    columns: (C,) column of each class in the model's probabilities.
    notes: sentences on classes that only one side has.
    """

    faces: Faces
    classes: tuple[str, ...]
    columns: NDArray[np.int64]
    notes: tuple[str, ...]

    def select_probabilities(
        self,
        probabilities: NDArray[np.float64],  # (N, classes of the model)
    ) -> NDArray[np.float64]:  # (N, C), rows summing to 1
        """Return the probabilities of these classes, as if the model knew no others."""
        own = np.maximum(probabilities[:, self.columns], np.finfo(float).tiny)
        return np.asarray(own / own.sum(axis=1, keepdims=True), dtype=np.float64)


def match_classes(data: Sequence[str], model: Sequence[str], faces: Faces) -> MatchedFaces:
    """Return the faces of the classes that the model has.

    data, model: class names of the data set and of the model.
    faces: those of the data set.

    Raises UserError if there are fewer than two such classes.
    """
    columns = {normalize_class(name): column for column, name in enumerate(model)}
    keys = [normalize_class(name) for name in data]
    labels = [label for label, key in enumerate(keys) if key in columns]
    if len(labels) < 2:
        problem = f"the faces are of {join_first(data)}, the model knows {join_first(model)}"
        advice = f"{len(labels)} of these classes are the same; name the classes with --labels"
        raise UserError(f"{problem}: {advice}")
    notes = [
        f"The model has no class {data[label]}: {pluralize(count, 'face')} left out."
        for label, count in enumerate(faces.count_by_class(len(data)))
        if count and label not in labels
    ]
    if unknown := [name for name in model if normalize_class(name) not in keys]:
        notes.append(f"No face is of {join_first(unknown)}: the model cannot choose it here.")
    own = faces.take(np.flatnonzero(np.isin(faces.labels, labels)))
    # If the model lacks a class, some votes are for it.
    votes = own.votes if len(labels) == len(data) else None
    positions = np.searchsorted(labels, own.labels).astype(np.int64)
    return MatchedFaces(
        replace(own, labels=positions, votes=votes),
        tuple(data[label] for label in labels),
        np.array([columns[keys[label]] for label in labels], np.int64),
        tuple(notes),
    )
