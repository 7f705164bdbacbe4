"""An audit of a data set before training: imbalance, duplicates, blank images."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import combinations

import numpy as np
from numpy.typing import NDArray

from fer_tune.common.safe_text import pluralize
from fer_tune.data.exact_duplicates import hash_images
from fer_tune.data.faces import SPLIT_NAMES, SplitName, Splits
from fer_tune.data.near_duplicate_pairs import (
    NearDuplicates,
    NearPair,
    choose_pairs,
    find_near_duplicates,
)
from fer_tune.data.votes import find_plurality, is_agreed

_Hashes = Mapping[SplitName, NDArray[np.uint64]]  # of the images of each split


@dataclass(frozen=True)
class Leak:
    """The faces of one split with a duplicate in an earlier split.

    faces: number of these faces.
    of: number of all faces in `split`.
    same_label: number of these faces with a duplicate of their own label.
    """

    earlier: SplitName
    split: SplitName
    faces: int
    of: int
    same_label: int


@dataclass(frozen=True, eq=False)
class Audit:
    """The figures of an audit. Duplicates are faces of exactly the same pixels.

    The figures on near-duplicates do not count exact duplicates.

    counts: (C,) faces of each class, by split.
    redundant: faces with an earlier duplicate in the same split, by split.
    leaks: train to validation, train to test, validation to test; of exact duplicates only.
    near_redundant: faces with a near-duplicate in the same split, by split.
    near_leaks: further faces with a near-duplicate in an earlier split, in the order of `leaks`.
    near_pairs: some pairs of near-duplicates.
    conflict_groups: groups of duplicates with different labels, over all splits.
    conflict_faces: faces in these groups.
    blank: images of a single grey, by split. JPEG's noise is allowed: a standard deviation below
        1 of 255.
    mean, deviation: mean and standard deviation of the training pixels, in [0, 1].
    agreed: share of agreed faces among those with votes, by split and class, and of all classes;
        see `is_agreed`. Empty without votes.
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
    near_redundant: Mapping[SplitName, int]
    near_leaks: tuple[Leak, ...]
    near_pairs: tuple[NearPair, ...]
    agreed: Mapping[SplitName, Mapping[str, float]]

    def summarize_findings(self) -> tuple[str, ...]:
        """Return the audit in plain sentences, the imbalance first."""
        conflicts = f"{pluralize(self.conflict_groups, 'group')}, {self.conflict_faces:,} faces"
        return (
            _describe_imbalance(self),
            f"Exact duplicates inside a split: {_format_by_split(self.redundant)}.",
            *(_describe_leak(leak, "an exact duplicate") for leak in self.leaks),
            f"Near-duplicates inside a split: {_format_by_split(self.near_redundant)}.",
            *(_describe_leak(leak, "a near-duplicate") for leak in self.near_leaks),
            "Exact duplicates with conflicting labels: "
            f"{conflicts if self.conflict_groups else 'none'}.",
            *_describe_votes(self.agreed),
            f"Blank images (a single grey): {_format_by_split(self.blank)}.",
            f"Training pixels in [0, 1]: mean {self.mean:.4f}, "
            f"standard deviation {self.deviation:.4f}.",
        )


def audit_splits(splits: Splits) -> Audit:
    """Return what a class distribution alone does not show."""
    hashes = {name: hash_images(splits[name].images) for name in SPLIT_NAMES}
    near, split_pairs = find_near_duplicates(splits), list(combinations(SPLIT_NAMES, 2))
    groups, faces = _count_conflicts(splits, hashes)
    mean, deviation = _measure_pixels(splits.train.images)
    return Audit(
        classes=splits.classes,
        counts={name: splits[name].count_by_class(len(splits.classes)) for name in SPLIT_NAMES},
        redundant={name: len(own) - len(np.unique(own)) for name, own in hashes.items()},
        leaks=tuple(_find_leak(splits, hashes, *pair) for pair in split_pairs),
        conflict_groups=groups,
        conflict_faces=faces,
        blank={name: sum(bool(i.std() < 1) for i in splits[name].images) for name in SPLIT_NAMES},
        mean=mean,
        deviation=deviation,
        near_redundant={
            name: int(near.select_faces(splits, name, name)[0].sum()) for name in SPLIT_NAMES
        },
        near_leaks=tuple(_find_near_leak(splits, hashes, near, *pair) for pair in split_pairs),
        near_pairs=choose_pairs(splits, near),
        agreed={name: own for name in SPLIT_NAMES if (own := _measure_agreement(splits, name))},
    )


def _find_leak(splits: Splits, hashes: _Hashes, earlier: SplitName, later: SplitName) -> Leak:
    is_leaked = np.isin(hashes[later], hashes[earlier])
    known = set(zip(hashes[earlier].tolist(), splits[earlier].labels.tolist(), strict=True))
    leaked = hashes[later][is_leaked].tolist(), splits[later].labels[is_leaked].tolist()
    same_label = sum(pair in known for pair in zip(*leaked, strict=True))
    return Leak(earlier, later, int(is_leaked.sum()), len(is_leaked), same_label)


def _find_near_leak(
    splits: Splits, hashes: _Hashes, near: NearDuplicates, earlier: SplitName, later: SplitName
) -> Leak:
    """Return the leak of the faces that have a near-duplicate, but no exact one."""
    is_exact = np.isin(hashes[later], hashes[earlier])
    is_leaked, has_own_label = (
        each & ~is_exact for each in near.select_faces(splits, later, earlier)
    )
    return Leak(earlier, later, int(is_leaked.sum()), len(is_leaked), int(has_own_label.sum()))


def _count_conflicts(splits: Splits, hashes: _Hashes) -> tuple[int, int]:
    """Return how many groups of duplicates have different labels, and their faces."""
    all_hashes = np.concatenate([hashes[name] for name in SPLIT_NAMES])
    labels = np.concatenate([splits[name].labels for name in SPLIT_NAMES])
    pairs = set(zip(all_hashes.tolist(), labels.tolist(), strict=True))
    own, labels_of_each = np.unique([each for each, _ in pairs], return_counts=True)
    conflicting = own[labels_of_each > 1]
    return len(conflicting), int(np.isin(all_hashes, conflicting).sum())


def _measure_agreement(splits: Splits, name: SplitName) -> dict[str, float]:
    faces = splits[name]
    if faces.votes is None:
        return {}
    own, has_votes = is_agreed(faces), find_plurality(faces) >= 0
    chosen = {"all": has_votes} | {
        class_name: has_votes & (faces.labels == label)
        for label, class_name in enumerate(splits.classes)
    }
    return {key: float(own[which].mean()) for key, which in chosen.items() if which.any()}


def _measure_pixels(images: NDArray[np.uint8]) -> tuple[float, float]:
    """Return mean and standard deviation in [0, 1]."""
    # From the histogram: exact, and without a float copy of all pixels.
    weights = np.bincount(images.ravel(), minlength=256) / images.size
    greys = np.arange(256) / 255
    mean = float(weights @ greys)
    return mean, float(np.sqrt(weights @ (greys - mean) ** 2))


def _describe_imbalance(audit: Audit) -> str:
    train = audit.counts["train"]
    largest, smallest = int(train.argmax()), int(train.argmin())
    if train[largest] == train[smallest]:
        faces = pluralize(train[0], "face")
        return f"Imbalance: none, the training split has {faces} of each class."
    return (
        f"Imbalance: the training split has {train[largest] / train[smallest]:.1f} "
        f"{audit.classes[largest]} faces for each {audit.classes[smallest]} face."
    )


def _describe_leak(leak: Leak, duplicate: str) -> str:
    start = f"Leak from {leak.earlier} to {leak.split}:"
    if not leak.faces:
        return f"{start} no {duplicate.partition(' ')[2]}s."
    faces = f"{leak.faces:,} of {leak.of:,} {leak.split} faces ({leak.faces / leak.of:.1%})"
    same = f"{leak.same_label / leak.faces:.0%} of them with the same label"
    verb = "has" if leak.faces == 1 else "have"
    return f"{start} {faces} {verb} {duplicate} in {leak.earlier}, {same}."


def _describe_votes(agreed: Mapping[SplitName, Mapping[str, float]]) -> Iterator[str]:
    for name, shares in agreed.items():
        by_class = ", ".join(f"{key} {share:.0%}" for key, share in shares.items() if key != "all")
        yield (
            f"People's votes: the given label alone has the most votes on {shares['all']:.1%} of "
            f"the {name} faces with votes ({by_class})."
        )


def _format_by_split(counts: Mapping[SplitName, int]) -> str:
    return ", ".join(f"{count:,} in {name}" for name, count in counts.items() if count) or "none"
