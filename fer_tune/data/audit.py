"""What is wrong with a set of faces before anything is trained on it."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import combinations

import numpy as np
from numpy.typing import NDArray

from fer_tune.data.duplicates import hash_images
from fer_tune.data.faces import SPLIT_NAMES, SplitName, Splits


@dataclass(frozen=True)
class Leak:
    """Faces of one split whose twin stands in an earlier one.

    faces: how many of the `of` faces in `split` have a twin in `earlier`.
    same_label: how many of them have one there with their own label.
    """

    earlier: SplitName
    split: SplitName
    faces: int
    of: int
    same_label: int


@dataclass(frozen=True, eq=False)
class Audit:
    """Figures on one `Splits`. Twins are faces with exactly the same pixels.

    counts: by split, (C,) faces of each class.
    redundant: by split, faces of which the same split holds an earlier twin.
    leaks: train to validation, train to test, validation to test.
    conflict_groups, conflict_faces: twins that carry different labels, in all splits together.
    blank: by split, images of one grey but for JPEG's noise (a standard deviation below 1 of 255).
    mean, deviation: of the training pixels, in [0, 1].
    """

    classes: tuple[str, ...]
    counts: Mapping[SplitName, NDArray[np.int64]]
    redundant: Mapping[SplitName, int]
    leaks: tuple[Leak, ...]
    conflict_groups: int
    conflict_faces: int
    blank: Mapping[SplitName, int]
    mean: float
    deviation: float

    def summarize_findings(self) -> tuple[str, ...]:
        """The audit in plain sentences."""
        return tuple(_iterate_findings(self))


def audit_splits(splits: Splits) -> Audit:
    """Count what a class distribution alone does not show."""
    prints = {name: hash_images(splits[name].images) for name in SPLIT_NAMES}
    groups, faces = _count_conflicts(splits, prints)
    mean, deviation = _measure_mean_and_deviation(splits.train.images)
    return Audit(
        classes=splits.classes,
        counts={name: splits[name].count_by_class(len(splits.classes)) for name in SPLIT_NAMES},
        redundant={name: len(own) - len(np.unique(own)) for name, own in prints.items()},
        leaks=tuple(_find_leak(splits, prints, *pair) for pair in combinations(SPLIT_NAMES, 2)),
        conflict_groups=groups,
        conflict_faces=faces,
        blank={name: _count_blank(splits[name].images) for name in SPLIT_NAMES},
        mean=mean,
        deviation=deviation,
    )


def _find_leak(
    splits: Splits,
    hashes: Mapping[SplitName, NDArray[np.uint64]],
    earlier: SplitName,
    later: SplitName,
) -> Leak:
    seen = np.isin(hashes[later], hashes[earlier])
    labelled = set(zip(hashes[earlier].tolist(), splits[earlier].labels.tolist(), strict=True))
    leaked = zip(hashes[later][seen].tolist(), splits[later].labels[seen].tolist(), strict=True)
    same = sum(pair in labelled for pair in leaked)
    return Leak(earlier, later, int(seen.sum()), len(seen), same)


def _count_conflicts(
    splits: Splits, hashes: Mapping[SplitName, NDArray[np.uint64]]
) -> tuple[int, int]:
    every = np.concatenate([hashes[name] for name in SPLIT_NAMES])
    labels = np.concatenate([splits[name].labels for name in SPLIT_NAMES])
    _, group, sizes = np.unique(every, return_inverse=True, return_counts=True)
    lowest = np.full(len(sizes), len(splits.classes))
    highest = np.full(len(sizes), -1)
    np.minimum.at(lowest, group, labels)
    np.maximum.at(highest, group, labels)
    conflicting = lowest < highest
    return int(conflicting.sum()), int(sizes[conflicting].sum())


def _count_blank(images: NDArray[np.uint8]) -> int:
    return sum(bool(image.std() < 1) for image in images)


def _measure_mean_and_deviation(images: NDArray[np.uint8]) -> tuple[float, float]:
    # From the histogram: exact, and without a float copy of all pixels.
    weights = np.bincount(images.ravel(), minlength=256) / images.size
    greys = np.arange(256) / 255
    mean = float(weights @ greys)
    return mean, float(np.sqrt(weights @ (greys - mean) ** 2))


def _iterate_findings(audit: Audit) -> Iterator[str]:
    yield _describe_imbalance(audit)
    yield f"Redundant faces, of which the same split holds a twin: {_format_by_split(audit.redundant)}."
    yield from map(_describe_leak, audit.leaks)
    conflicts = f"{audit.conflict_groups:,} groups of twins, {audit.conflict_faces:,} faces"
    yield f"Twins with conflicting labels: {conflicts if audit.conflict_groups else 'none'}."
    yield f"Blank images, all of one grey: {_format_by_split(audit.blank)}."
    yield (
        f"Training pixels in [0, 1]: mean {audit.mean:.4f}, standard deviation "
        f"{audit.deviation:.4f}."
    )


def _describe_imbalance(audit: Audit) -> str:
    train = audit.counts["train"]
    most, least = int(train.argmax()), int(train.argmin())
    if train[most] == train[least]:
        return f"Imbalance: none, {train[most]:,} training faces of each class."
    return (
        f"Imbalance: for one {audit.classes[least]} face in train there are "
        f"{train[most] / train[least]:.1f} {audit.classes[most]} ones."
    )


def _describe_leak(leak: Leak) -> str:
    told = f"Leak from {leak.earlier} to {leak.split}: "
    if not leak.faces:
        return f"{told}none."
    return (
        f"{told}{leak.faces:,} of {leak.of:,} {leak.split} faces ({leak.faces / leak.of:.1%}) "
        f"have a twin there, {leak.same_label / leak.faces:.0%} of them with the same label."
    )


def _format_by_split(figures: Mapping[SplitName, int]) -> str:
    told = [f"{number:,} in {name}" for name, number in figures.items() if number]
    return ", ".join(told) or "none"
