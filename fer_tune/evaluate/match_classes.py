"""The classes that a model and labelled faces have in common."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from fer_tune.common.errors import UserError
from fer_tune.common.safe_text import join_first, pluralize
from fer_tune.data.faces import Faces
from fer_tune.data.formats.class_and_split_names import normalize_class


@dataclass(frozen=True, eq=False)
class SharedClasses:
    """The classes that both a data set and a model have, in any spelling.

    names: as the data set spells them, in its order.
    data_labels: (C,) label of each class in the data set.
    model_columns: (C,) column of each class in the model's probabilities.
    notes: sentences on classes that only one side has.
    """

    names: tuple[str, ...]
    data_labels: NDArray[np.int64]
    model_columns: NDArray[np.int64]
    notes: tuple[str, ...]

    def select_faces(self, faces: Faces) -> tuple[Faces, NDArray[np.bool_]]:
        """Return the faces of these classes, and which of all faces, (N,), they are.

        Their labels are the positions of the classes.
        """
        is_shared = np.isin(faces.labels, self.data_labels)
        chosen = faces.take(np.flatnonzero(is_shared))
        labels = np.searchsorted(self.data_labels, chosen.labels)
        votes = chosen.votes
        if votes is not None and votes.shape[1] != len(self.data_labels):
            votes = None  # some are for classes that the model does not know
        return Faces(chosen.images, labels.astype(np.int64), chosen.names, votes), is_shared

    def select_probabilities(
        self,
        probabilities: NDArray[np.float64],  # (N, classes of the model)
    ) -> NDArray[np.float64]:  # (N, C), rows summing to 1
        """Return the probabilities of these classes, as if the model knew no others."""
        own = np.maximum(probabilities[:, self.model_columns], np.finfo(float).tiny)
        return np.asarray(own / own.sum(axis=1, keepdims=True), dtype=np.float64)


def match_classes(data: Sequence[str], model: Sequence[str], faces: Faces) -> SharedClasses:
    """Return the shared classes.

    data, model: class names of the data set and of the model.
    faces: those of the data set, to say how many are left out.

    Raises UserError if there are fewer than two.
    """
    columns = {normalize_class(name): column for column, name in enumerate(model)}
    keys = [normalize_class(name) for name in data]
    labels = [label for label, key in enumerate(keys) if key in columns]
    if len(labels) < 2:
        raise UserError(
            f"the faces are of {join_first(data)}, the model knows {join_first(model)}: "
            f"{len(labels)} of these classes are the same; name the classes with --labels"
        )
    counts = faces.count_by_class(len(data))
    notes = [
        f"The model has no class {data[label]}: {pluralize(counts[label], 'face')} left out."
        for label in sorted(set(range(len(data))) - set(labels))
        if counts[label]
    ]
    if unknown := [name for name in model if normalize_class(name) not in keys]:
        names = join_first(unknown)
        notes.append(f"No face is of {names}: the model cannot choose it here.")
    return SharedClasses(
        tuple(data[label] for label in labels),
        np.array(labels, np.int64),
        np.array([columns[keys[label]] for label in labels], np.int64),
        tuple(notes),
    )
