"""Pairs of near-duplicates in the splits of a data set, for the audit."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from fer_tune.data import cache
from fer_tune.data.exact_duplicates import hash_images
from fer_tune.data.faces import SPLIT_NAMES, SplitName, Splits, concatenate_faces
from fer_tune.data.near_duplicates import Pairs, find_pairs

SHOWN_PAIRS = 6  # of each kind
_MOST_PAIRS = 1_000_000  # from which the shown ones are chosen; a long video has more


@dataclass(frozen=True)
class NearPair:
    """Two faces that are near-duplicates, but no exact ones.

    kind: of the pairs among which this one is shown, such as "leaks, most certain".
    splits, positions: where each face is; its position is that in its split.
    names, classes: name and class of each face.
    bits: different bits of the hashes.
    """

    kind: str
    splits: tuple[SplitName, SplitName]
    positions: tuple[int, int]
    names: tuple[str, str]
    classes: tuple[str, str]
    bits: int


class NearDuplicates(NamedTuple):
    """The near-duplicates of the faces of all splits, one split after the other.

    in_split: (N, 3) whether each face has a near-duplicate in each split.
    of_own_label: (N, 3) whether it has one of its own label there.
    groups: (N,) the number of the group of each face.
    pairs: the pairs; if they are more than `_MOST_PAIRS`, some of them.
    """

    in_split: NDArray[np.bool_]
    of_own_label: NDArray[np.bool_]
    groups: NDArray[np.int64]
    pairs: Pairs

    def select_faces(
        self, splits: Splits, name: SplitName, other: SplitName
    ) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
        """Return which faces of a split have a near-duplicate in another, and of their label."""
        own = _number_splits(splits) == SPLIT_NAMES.index(name)
        column = SPLIT_NAMES.index(other)
        return self.in_split[own, column], self.of_own_label[own, column]


def find_near_duplicates(splits: Splits) -> NearDuplicates:
    """Return the near-duplicates inside the splits and between them, without exact duplicates."""
    faces, split = concatenate_faces([splits[name] for name in SPLIT_NAMES]), _number_splits(splits)
    images, labels = faces.images, faces.labels
    hashes, groups = hash_images(images), cache.load_or_group(images)
    grouped = np.flatnonzero(np.bincount(groups)[groups] > 1)  # few faces: found in a second
    in_split, of_own_label = (np.zeros((len(images), len(SPLIT_NAMES)), np.bool_) for _ in range(2))
    collected, count = list[Pairs](), 0
    for block in find_pairs(images[grouped]):
        first, second = grouped[block.first], grouped[block.second]
        is_near = hashes[first] != hashes[second]
        first, second = first[is_near], second[is_near]
        for one, other in ((first, second), (second, first)):
            in_split[one, split[other]] = True
            is_same = labels[one] == labels[other]
            of_own_label[one[is_same], split[other[is_same]]] = True
        if count < _MOST_PAIRS:
            collected.append(Pairs(first, second, block.distances[is_near]))
            count += len(first)
    none = np.zeros(0, np.int64)
    columns = zip(Pairs(none, none, none), *collected, strict=True)
    return NearDuplicates(in_split, of_own_label, groups, Pairs(*map(np.concatenate, columns)))


def choose_pairs(splits: Splits, near: NearDuplicates) -> tuple[NearPair, ...]:
    """Return the most certain and the most doubtful pairs, leaks first, each of another group."""
    pairs, split_of = near.pairs, _number_splits(splits)
    is_leak = split_of[pairs.first] != split_of[pairs.second]
    shown, chosen = set[int](), list[NearPair]()
    for place, is_of_kind in (("leaks", is_leak), ("inside a split", ~is_leak)):
        ordered = np.flatnonzero(is_of_kind)
        ordered = ordered[np.argsort(pairs.distances[ordered], kind="stable")]
        for extreme, candidates in (("certain", ordered), ("doubtful", ordered[::-1])):
            kind, first = f"{place}, most {extreme}", len(chosen)
            for number in candidates.tolist():
                group = int(near.groups[pairs.first[number]])
                if group not in shown and len(chosen) - first < SHOWN_PAIRS:
                    shown.add(group)
                    chosen.append(_describe_pair(splits, kind, [int(c[number]) for c in pairs]))
    return tuple(chosen)


def _number_splits(splits: Splits) -> NDArray[np.int64]:
    """Return (N,) the number of the split of each face."""
    return np.repeat(range(len(SPLIT_NAMES)), [len(splits[name]) for name in SPLIT_NAMES])


def _describe_pair(splits: Splits, kind: str, pair: Sequence[int]) -> NearPair:
    *faces, bits = pair
    ends = list[tuple[SplitName, int, str, str]]()
    for face in faces:
        position = face
        for name in SPLIT_NAMES:
            if position < len(splits[name]):
                break
            position -= len(splits[name])
        own = splits[name]
        ends.append(
            (name, position, str(own.names[position]), splits.classes[own.labels[position]])
        )
    names, positions, origins, classes = zip(*ends, strict=True)
    return NearPair(kind, names, positions, origins, classes, bits)
