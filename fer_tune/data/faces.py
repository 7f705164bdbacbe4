"""Faces as arrays of one fixed shape, whatever file they come from."""

import hashlib
from dataclasses import dataclass
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
    """

    images: NDArray[np.uint8]
    labels: NDArray[np.int64]

    def __post_init__(self) -> None:
        if self.images.shape != (len(self.labels), SIDE, SIDE) or self.images.dtype != np.uint8:
            raise ValueError(f"images are {self.images.dtype} {self.images.shape}")
        if self.labels.shape != (len(self.images),) or self.labels.dtype != np.int64:
            raise ValueError(f"labels are {self.labels.dtype} {self.labels.shape}")

    def __len__(self) -> int:
        return len(self.labels)

    def take(self, index: NDArray[np.int64]) -> "Faces":
        """Return the faces at `index`, (M,) int64, in that order."""
        return Faces(self.images[index], self.labels[index])

    def count_by_class(self, classes: int) -> NDArray[np.int64]:
        """Return the number of faces of each class, (classes,) int64."""
        return np.bincount(self.labels, minlength=classes).astype(np.int64)


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
        """Return SHA-256 of class names, pixels and labels: equal faces in any format match."""
        digest = hashlib.sha256("\0".join(self.classes).encode())
        for name in SPLIT_NAMES:
            digest.update(np.ascontiguousarray(self[name].images).data)
            digest.update(np.ascontiguousarray(self[name].labels).data)
        return digest.hexdigest()
