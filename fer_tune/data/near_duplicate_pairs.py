"""Pairs of near-duplicates in the splits of a data set, for the audit."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from fer_tune.data import cache
from fer_tune.data.duplicates import Pairs, find_pairs, hash_images
from fer_tune.data.faces import SPLIT_NAMES, Faces, SplitName, Splits, concatenate_faces

_SHOWN_PAIRS = 6  # of each kind
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

    split: (N,) the number of the split of each face.
    in_split: (N, 3) whether each face has a near-duplicate in each split.
    of_own_label: (N, 3) whether it has one of its own label there.
    groups: (N,) the number of the group of each face.
    pairs: the pairs; if they are more than `_MOST_PAIRS`, some of them.
    """

    faces: Faces
    split: NDArray[np.int64]
    in_split: NDArray[np.bool_]
    of_own_label: NDArray[np.bool_]
    groups: NDArray[np.int64]
    pairs: Pairs


def find_near_duplicates(splits: Splits) -> NearDuplicates:
    """Return the near-duplicates inside the splits and between them, without exact duplicates."""
    faces = concatenate_faces([splits[name] for name in SPLIT_NAMES])
    split = np.repeat(range(len(SPLIT_NAMES)), [len(splits[name]) for name in SPLIT_NAMES])
    images, labels = faces.images, faces.labels
    hashes, groups = hash_images(images), cache.load_or_group(images)
    grouped = np.flatnonzero(np.bincount(groups)[groups] > 1)  # few faces: found in a second
    in_split, of_own_label = (np.zeros((len(images), len(SPLIT_NAMES)), np.bool_) for _ in range(2))
    none = np.zeros(0, np.int64)
    collected, count = [Pairs(none, none, none)], 0
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
    pairs = Pairs(*map(np.concatenate, zip(*collected, strict=True)))
    return NearDuplicates(faces, split, in_split, of_own_label, groups, pairs)


def choose_pairs(near: NearDuplicates, classes: Sequence[str]) -> tuple[NearPair, ...]:
    """Return the most certain and the most doubtful pairs, leaks first, each of another group."""
    pairs = near.pairs
    is_leak = near.split[pairs.first] != near.split[pairs.second]
    shown, chosen = set[int](), list[NearPair]()
    for place, is_of_kind in (("leaks", is_leak), ("inside a split", ~is_leak)):
        ordered = np.flatnonzero(is_of_kind)
        ordered = ordered[np.argsort(pairs.distances[ordered], kind="stable")]
        for extreme, candidates in (("certain", ordered), ("doubtful", ordered[::-1])):
            kind, first = f"{place}, most {extreme}", len(chosen)
            for number in candidates.tolist():
                group = int(near.groups[pairs.first[number]])
                if group not in shown and len(chosen) - first < _SHOWN_PAIRS:
                    shown.add(group)
                    chosen.append(_build_pair(near, classes, kind, number))
    return tuple(chosen)


def _build_pair(near: NearDuplicates, classes: Sequence[str], kind: str, number: int) -> NearPair:
    *pair, bits = (int(column[number]) for column in near.pairs)
    ends = []
    for face, split in zip(pair, near.split[pair], strict=True):
        position, name = face - np.searchsorted(near.split, split), near.faces.names[face].item()
        ends.append((SPLIT_NAMES[split], int(position), name, classes[near.faces.labels[face]]))
    splits, positions, names, own_classes = zip(*ends, strict=True)
    return NearPair(kind, splits, positions, names, own_classes, bits)
