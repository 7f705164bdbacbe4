"""The faces that benchmarks train on, also as image folders for the reference study."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image

from fer_tune.data.demo.demo_splits import draw_demo_splits
from fer_tune.data.faces import Faces, Splits
from fer_tune.data.load import load_splits
from fer_tune.data.subsample import draw_stratified_sample

FER2013_TRAIN_FACES = 28_709  # training faces of FER2013


def load_benchmark_splits(path: Path | None) -> Splits:
    """Return the faces at `path`, or the demo faces; the usual places are ignored."""
    return load_splits(path) if path else draw_demo_splits()


@dataclass(frozen=True)
class BenchmarkFaces:
    """Training and validation faces of a study, for fer_tune and the reference.

    folder: has train/<class>/*.png and validation/<class>/*.png.
    """

    train: Faces
    validation: Faces
    classes: tuple[str, ...]
    folder: Path


def write_image_folders(splits: Splits, size: int, folder: Path) -> BenchmarkFaces:
    """Write the `size` training faces that a study draws, and the validation faces, as images.

    If there are fewer training faces, all are written.
    """
    train = draw_stratified_sample(splits.train, size, seed=0)
    for name, faces in (("train", train), ("validation", splits.validation)):
        _write_images(faces, splits.classes, folder / name)
    return BenchmarkFaces(train, splits.validation, splits.classes, folder)


def _write_images(faces: Faces, classes: Sequence[str], folder: Path) -> None:
    for name in classes:
        (folder / name).mkdir(parents=True)
    for index, (image, label) in enumerate(zip(faces.images, faces.labels, strict=True)):
        Image.fromarray(image).save(folder / classes[label] / f"{index:05d}.png")


def repeat_faces(faces: Faces, size: int) -> Faces:
    """Return `size` faces in a random order; if there are fewer, faces repeat."""
    mixed = np.random.default_rng(0).permutation(len(faces))
    return faces.take(np.resize(mixed, size))
