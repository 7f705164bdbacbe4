"""Faces as arrays of one fixed shape, whatever file they come from."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray

SIDE = 48  # pixels; FER2013 (Goodfellow et al. 2013, section 2.3) is 48 x 48 grey

# The order of fer2013.csv's `emotion` column.
EMOTIONS = ("angry", "disgust", "fear", "happy", "sad", "surprise", "neutral")

SplitName = Literal["train", "validation", "test"]
SPLIT_NAMES: tuple[SplitName, ...] = ("train", "validation", "test")


@dataclass(frozen=True, eq=False)
class Faces:
    """Grey faces with their labels.

    images: (N, 48, 48) uint8, 0 is black and 255 white.
    labels: (N,) int64, indices into the class names of the splits.
    names: (N,) text, where the data set has each face: the path of its image, or table and row.
        Without names, faces are called by their position.
    votes: (N, C) float32, shares of people's votes for each class, see `fer_tune.data.votes`; NaN
        for a face without votes. None if the data set has no votes.
    suspect_ranks: (N,) int64, positions in a list of suspects, 0 for the most suspicious label.
        None without a list.
    """

    images: NDArray[np.uint8]
    labels: NDArray[np.int64]
    names: NDArray[np.str_] = field(default_factory=lambda: np.array([], np.str_))
    votes: NDArray[np.float32] | None = None
    suspect_ranks: NDArray[np.int64] | None = None

    def __post_init__(self) -> None:
        if not len(self.names):
            object.__setattr__(self, "names", np.arange(len(self.labels)).astype(np.str_))
        count = len(self.images)
        shapes = self.images.shape, self.labels.shape, self.names.shape
        kinds = f"{self.images.dtype}, {self.labels.dtype}"
        if shapes != ((count, SIDE, SIDE), (count,), (count,)) or kinds != "uint8, int64":
            raise ValueError(f"images, labels and names are {shapes}, {kinds}")
        if self.votes is not None and len(self.votes) != count:
            raise ValueError(f"votes for {len(self.votes)} of {count} faces")

    def __len__(self) -> int:
        return len(self.labels)

    def take(self, index: NDArray[np.int64]) -> "Faces":
        """Return the faces at `index`, (M,) int64, in that order."""
        votes = None if self.votes is None else self.votes[index]
        ranks = None if self.suspect_ranks is None else self.suspect_ranks[index]
        return Faces(self.images[index], self.labels[index], self.names[index], votes, ranks)

    def count_by_class(self, classes: int) -> NDArray[np.int64]:
        """Return the number of faces of each class, (classes,) int64."""
        return np.bincount(self.labels, minlength=classes).astype(np.int64)


def concatenate_faces(parts: Sequence[Faces]) -> Faces:
    """Return the faces of all parts, in their order."""
    columns = [[part.images, part.labels, part.names, part.votes] for part in parts]
    # Either all parts of a data set have votes, or none.
    arrays = [np.concatenate(own) for own in zip(*columns, strict=True) if own[0] is not None]
    return Faces(*arrays)


@dataclass(frozen=True, eq=False)
class Splits:
    """A data set divided into train, validation and test.

    classes: class names; the labels are indices into them.
    source: name of the data set for people ("fer2013.csv", "demo faces").
    protocol: a sentence or two that say which faces train, validate and test.
    notes: sentences that say what was converted or left out.
    origin: absolute path of the file or folder; None for the demo faces.
    """

    classes: tuple[str, ...]
    train: Faces
    validation: Faces
    test: Faces
    source: str
    protocol: str
    notes: tuple[str, ...] = ()
    origin: Path | None = None

    def __getitem__(self, name: SplitName) -> Faces:
        faces: Faces = getattr(self, name)
        return faces

    def content_hash(self) -> str:
        """Return SHA-256 of class names, pixels and labels: equal faces in any format match.

        The names of the faces do not count.
        """
        return hash_faces(self.classes, [self[name] for name in SPLIT_NAMES])

    def votes_hash(self) -> str | None:
        """Return SHA-256 of the votes on all faces; None if the data set has no votes."""
        digest = hashlib.sha256()
        for name in SPLIT_NAMES:
            votes = self[name].votes
            if votes is None:
                return None
            digest.update(np.ascontiguousarray(votes).data)
        return digest.hexdigest()


def hash_faces(classes: Sequence[str], parts: Sequence[Faces]) -> str:
    """Return SHA-256 of class names, pixels and labels."""
    digest = hashlib.sha256("\0".join(classes).encode())
    for faces in parts:
        digest.update(np.ascontiguousarray(faces.images).data)
        digest.update(np.ascontiguousarray(faces.labels).data)
    return digest.hexdigest()
