"""An audit of a data set before training: imbalance, duplicates, blank images."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import combinations

import numpy as np
from numpy.typing import NDArray

from fer_tune.common.safe_text import pluralize
from fer_tune.data.duplicates import hash_images
from fer_tune.data.faces import SIDE, SPLIT_NAMES, SplitName, Splits
from fer_tune.data.near_duplicate_pairs import NearPair, choose_pairs, find_near_duplicates
from fer_tune.data.votes import find_plurality, is_agreed


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
    import cv2

    near = find_near_duplicates(splits)
    faces, split = near.faces, near.split
    groups = np.unique(hash_images(faces.images), return_inverse=True)[1]
    labelled = groups * len(splits.classes) + faces.labels  # equal if pixels and label are
    is_exact = _find_in_splits(groups, split)
    is_near, is_near_of_own_label = near.in_split & ~is_exact, near.of_own_label & ~is_exact
    is_conflicting = np.bincount(np.unique(labelled) // len(splits.classes)) > 1
    mean, deviation = cv2.meanStdDev(splits.train.images.reshape(-1, SIDE))
    own_groups = {name: groups[split == number] for number, name in enumerate(SPLIT_NAMES)}
    return Audit(
        classes=splits.classes,
        counts={name: splits[name].count_by_class(len(splits.classes)) for name in SPLIT_NAMES},
        redundant={name: len(own) - len(np.unique(own)) for name, own in own_groups.items()},
        leaks=_count_leaks(split, is_exact, _find_in_splits(labelled, split)),
        conflict_groups=int(is_conflicting.sum()),
        conflict_faces=int(is_conflicting[groups].sum()),
        blank={name: sum(bool(i.std() < 1) for i in splits[name].images) for name in SPLIT_NAMES},
        mean=mean.item() / 255,
        deviation=deviation.item() / 255,
        near_redundant={
            name: int(near.in_split[split == number, number].sum())
            for number, name in enumerate(SPLIT_NAMES)
        },
        near_leaks=_count_leaks(split, is_near, is_near_of_own_label),
        near_pairs=choose_pairs(near, splits.classes),
        agreed={name: own for name in SPLIT_NAMES if (own := _measure_agreement(splits, name))},
    )


def _find_in_splits(
    keys: NDArray[np.int64],  # (N,), from 0
    split: NDArray[np.int64],  # (N,)
) -> NDArray[np.bool_]:
    """Return (N, 3) whether each split has a face with the same key."""
    is_in = np.zeros((keys.max() + 1, len(SPLIT_NAMES)), np.bool_)
    is_in[keys, split] = True
    return is_in[keys]


def _count_leaks(
    split: NDArray[np.int64],  # (N,)
    in_split: NDArray[np.bool_],  # (N, 3), see `NearDuplicates`
    of_own_label: NDArray[np.bool_],  # (N, 3)
) -> tuple[Leak, ...]:
    leaks = list[Leak]()
    for (column, earlier), (number, later) in combinations(enumerate(SPLIT_NAMES), 2):
        own = split == number
        faces, same = in_split[own, column].sum(), of_own_label[own, column].sum()
        leaks.append(Leak(earlier, later, int(faces), int(own.sum()), int(same)))
    return tuple(leaks)


def _measure_agreement(splits: Splits, name: SplitName) -> dict[str, float]:
    faces = splits[name]
    own, has_votes = is_agreed(faces), find_plurality(faces) >= 0
    chosen = {"all": has_votes} | {
        class_name: has_votes & (faces.labels == label)
        for label, class_name in enumerate(splits.classes)
    }
    return {key: float(own[which].mean()) for key, which in chosen.items() if which.any()}


def _describe_imbalance(audit: Audit) -> str:
    train = audit.counts["train"]
    largest, smallest = int(train.argmax()), int(train.argmin())
    if train[largest] == train[smallest]:
        faces = pluralize(train[0], "face")
        return f"Imbalance: none, the training split has {faces} of each class."
    faces = f"{train[largest] / train[smallest]:.1f} {audit.classes[largest]} faces"
    return f"Imbalance: the training split has {faces} for each {audit.classes[smallest]} face."


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
