"""Duplicates: faces of exactly the same pixels, and near-duplicates, found by perceptual hashes.

The perceptual hash has the signs of an image's lowest frequencies, similar to pHash (Zauner 2010).
A cropped or mirrored copy is a near-duplicate, too.
"""

from collections.abc import Iterator
from hashlib import blake2b
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

# Of 144 bits. On FER2013, 5 % of the pairs within this distance are false: the details of the
# aligned faces do not correlate. Copies are found after JPEG, mirroring, other light, a crop of 1
# or 2 pixels or a shift by 1 (99 to 100 %) and a rotation by 5 degrees (71 %), but seldom after a
# shift by 2 (13 %). With 31 bits, 21 % of the pairs are false. See measure_near_duplicates.py in
# benchmarks/experiments.
MAX_DISTANCE = 28
# Raised when the same faces would give other groups. The splits of studies depend on the groups,
# so another method also needs another name in `SplitRule`.
METHOD_VERSION = 1

_FREQUENCIES = 12  # in each direction
_BITS = _FREQUENCIES**2
_CROP = 2  # pixels cut off each side for the second hash; without it, few such crops are found
_SCALE = 2**15  # of the cosines, so that all sums are whole numbers below 2**53
_BLOCK = 2048  # faces; fewer, larger products lose less time if other work shares the cores


class _Hashes(NamedTuple):
    """Bits as -1 and 1, first of the even, then of the odd horizontal frequencies: (N, 144).

    A mirrored face has the same even bits and the opposite odd bits.
    """

    whole: NDArray[np.float32]
    cropped: NDArray[np.float32]  # of the centre of the face

    def take_block(self, start: int) -> "_Hashes":
        return _Hashes(*(bits[start : start + _BLOCK] for bits in self))


class Pairs(NamedTuple):
    """Pairs of near-duplicates: positions of their faces, (P,) each, and different bits, (P,)."""

    first: NDArray[np.int64]
    second: NDArray[np.int64]
    distances: NDArray[np.int64]


def hash_images(images: NDArray[np.uint8]) -> NDArray[np.uint64]:
    """Return (N,) hashes of images, (N, 48, 48): equal for duplicates, else as good as random."""
    digests = (blake2b(image.tobytes(), digest_size=8).digest() for image in images)
    return np.frombuffer(b"".join(digests), dtype="<u8").astype(np.uint64)


def has_duplicate(images: NDArray[np.uint8], others: NDArray[np.uint8]) -> NDArray[np.bool_]:
    """Return for each image, (N, 48, 48), whether it has an exact duplicate among the others."""
    return np.isin(hash_images(images), hash_images(others))


def has_near_duplicate(images: NDArray[np.uint8], others: NDArray[np.uint8]) -> NDArray[np.bool_]:
    """Return for each image, (N, 48, 48), whether it has a near-duplicate among the others.

    Exact duplicates are near-duplicates, too.
    """
    hashes, other_hashes = _hash_faces(images), _hash_faces(others)
    has_one = np.zeros(len(images), np.bool_)
    for start in range(0, len(images), _BLOCK):
        block = hashes.take_block(start)
        for other_start in range(0, len(others), _BLOCK):
            distances = _measure_distances(block, other_hashes.take_block(other_start))
            has_one[start : start + _BLOCK] |= (distances <= MAX_DISTANCE).any(axis=1)
    return has_one


def find_pairs(images: NDArray[np.uint8], max_distance: int = MAX_DISTANCE) -> Iterator[Pairs]:
    """Yield the pairs of near-duplicates among images, (N, 48, 48), in blocks; `first < second`."""
    hashes = _hash_faces(images)
    for start in range(0, len(images), _BLOCK):
        block = hashes.take_block(start)
        for other_start in range(start, len(images), _BLOCK):
            distances = _measure_distances(block, hashes.take_block(other_start))
            rows, columns = np.nonzero(distances <= max_distance)
            first, second = rows + start, columns + other_start
            is_pair = first < second
            bits = distances[rows, columns][is_pair].astype(np.int64)
            yield Pairs(first[is_pair], second[is_pair], bits)


def group_near_duplicates(images: NDArray[np.uint8]) -> NDArray[np.int64]:
    """Return (N,) the number of each image's group, for images (N, 48, 48).

    Two faces are in one group if a chain of near-duplicates connects them.
    """
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    count = len(images)
    groups = np.arange(count)
    for first, second, _ in find_pairs(images):
        if len(first):  # merged block by block: millions of pairs need no memory
            edges = groups[first], groups[second]
            graph = coo_array((np.ones(len(first), np.bool_), edges), shape=(count, count))
            groups = connected_components(graph, directed=False)[1].astype(np.int64)[groups]
    return groups


def _hash_faces(images: NDArray[np.uint8]) -> _Hashes:
    cropped = images[:, _CROP:-_CROP, _CROP:-_CROP]
    return _Hashes(_compute_signs(images), _compute_signs(cropped))


def _compute_signs(images: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Return whether each of the lowest frequencies of square images is above 0, see `_Hashes`.

    The cosine transform is exact in whole numbers: every processor finds the same signs.
    """
    side = images.shape[1]
    angles = np.outer(np.arange(_FREQUENCIES), 2 * np.arange(side) + 1) * np.pi / (2 * side)
    cosines = np.round(np.cos(angles) * _SCALE)  # (12, side)
    blocks = [
        cosines @ images[start : start + _BLOCK].astype(np.float64) @ cosines.T > 0
        for start in range(0, len(images), _BLOCK)
    ]
    is_positive = np.concatenate([np.zeros((0, _FREQUENCIES, _FREQUENCIES), np.bool_), *blocks])
    by_parity = np.concatenate([is_positive[:, :, 0::2], is_positive[:, :, 1::2]], axis=1)
    return np.where(by_parity.reshape(-1, _BITS), np.float32(1), np.float32(-1))


def _measure_distances(ours: _Hashes, theirs: _Hashes) -> NDArray[np.float32]:
    """Return (N, M) the smallest number of different bits of each pair of faces.

    It is the smallest over whole face with whole face and whole face with centre, and over the
    second face as it is and mirrored.
    """
    agreement = _sum_agreement(ours.whole, theirs.whole)
    np.maximum(agreement, _sum_agreement(ours.cropped, theirs.whole), out=agreement)
    np.maximum(agreement, _sum_agreement(ours.whole, theirs.cropped), out=agreement)
    return (_BITS - agreement) * np.float32(0.5)


def _sum_agreement(
    bits: NDArray[np.float32],  # (N, 144)
    others: NDArray[np.float32],  # (M, 144)
) -> NDArray[np.float32]:
    """Return (N, M) equal bits minus different bits, with the better of face and mirror image."""
    half = _BITS // 2
    agreement = bits[:, :half] @ others[:, :half].T
    agreement += np.abs(bits[:, half:] @ others[:, half:].T)
    return agreement
