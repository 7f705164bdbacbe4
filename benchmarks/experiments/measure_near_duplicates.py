"""Measure how many changed copies of faces near-duplicates find, and how many pairs are false.

python -m benchmarks.experiments.measure_near_duplicates fer2013.csv     takes minutes
"""

import argparse
import io
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image

from benchmarks.markdown_table import format_markdown_table
from fer_tune.data.duplicates import Pairs, find_pairs, group_near_duplicates, hash_images
from fer_tune.data.faces import SIDE, SPLIT_NAMES
from fer_tune.data.load import load_splits

LIMITS = (24, 26, 28, 30, 31)  # different bits
COPIES = 2000  # faces of which changed copies are made
# Correlation of the details of two aligned faces. Copies of one photograph have 0.9 and more,
# other pairs about 0.3; few pairs are between 0.6 and 0.8.
TRUE_CORRELATION = 0.6
Face = NDArray[np.uint8]  # (48, 48)


def main(argv: Sequence[str] | None = None) -> None:
    """Print the table of changed copies, then that of the pairs among the faces."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.experiments.measure_near_duplicates",
        description=__doc__.splitlines()[0],
    )
    parser.add_argument("faces", type=Path, help="CSV, folder, zip or parquet")
    images = _load_distinct_faces(parser.parse_args(argv).faces)
    began = time.perf_counter()
    sizes = np.bincount(group_near_duplicates(images))
    seconds = time.perf_counter() - began
    print(
        f"{len(images):,} distinct faces, {sizes[sizes > 1].sum():,} of them in "
        f"{(sizes > 1).sum():,} groups of up to {sizes.max()}; found in {seconds:.1f} s\n"
    )
    print(measure_copies(images), end="\n\n")
    print(measure_pairs(images))


def _load_distinct_faces(path: Path) -> NDArray[np.uint8]:
    splits = load_splits(path)
    images = np.concatenate([splits[name].images for name in SPLIT_NAMES])
    return images[np.sort(np.unique(hash_images(images), return_index=True)[1])]


def measure_copies(images: NDArray[np.uint8]) -> str:
    """Return a table: for each change, the share of copies within so many bits of their face."""
    chosen = np.random.default_rng(0).permutation(len(images))[:COPIES]
    faces, rows = images[chosen], []
    for name, change in CHANGES.items():
        copies = np.stack([change(face) for face in faces])
        pairs = _find_all_pairs(np.concatenate([faces, copies]), max(LIMITS))
        own = pairs.distances[pairs.second - pairs.first == len(faces)]
        rows.append([name, *(f"{(own <= limit).sum() / len(faces):.2f}" for limit in LIMITS)])
    return format_markdown_table(["copies found", *(f"{limit} bits" for limit in LIMITS)], rows)


def measure_pairs(images: NDArray[np.uint8]) -> str:
    """Return a table: the number of pairs within so many bits, and the share of false ones."""
    first, second, distances = _find_all_pairs(images, max(LIMITS))
    is_true = np.array(
        [
            correlate_details(images[one], images[other]) >= TRUE_CORRELATION
            for one, other in zip(first, second, strict=True)
        ]
    )
    rows = []
    for limit in LIMITS:
        own = is_true[distances <= limit]
        rows.append([str(limit), f"{len(own):,}", f"{1 - own.mean():.3f}"])
    return format_markdown_table(["bits", "pairs", "false"], rows)


def correlate_details(face: Face, other: Face) -> float:
    """Return the correlation of two faces without their low frequencies, which the hashes have.

    Before, the other face or its mirror image is aligned (Evangelidis and Psarakis 2008).
    """
    best = -1.0
    for own in (other, np.ascontiguousarray(other[:, ::-1])):
        try:
            _, warp = cv2.findTransformECC(
                face.astype(np.float32),
                own.astype(np.float32),
                np.eye(2, 3, dtype=np.float32),
                cv2.MOTION_AFFINE,
                (cv2.TERM_CRITERIA_EPS | cv2.TERM_CRITERIA_COUNT, 60, 1e-4),
                np.full((SIDE, SIDE), 255, np.uint8),  # all pixels count
                5,
            )
        except cv2.error:  # the alignment diverges
            continue
        flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
        aligned = np.asarray(
            cv2.warpAffine(own, warp, (SIDE, SIDE), flags=flags, borderMode=cv2.BORDER_REPLICATE),
            np.uint8,
        )
        details = [_extract_details(each) for each in (face, aligned)]
        if min(each.std() for each in details) > 0:
            ours, theirs = ((each - each.mean()) / each.std() for each in details)
            best = max(best, float((ours * theirs).mean()))
    return best


def _extract_details(face: Face) -> NDArray[np.float32]:
    sharp = face.astype(np.float32)
    return (sharp - cv2.GaussianBlur(sharp, (0, 0), 2))[5:-5, 5:-5].ravel()


def _find_all_pairs(images: NDArray[np.uint8], max_distance: int) -> Pairs:
    blocks = zip(*find_pairs(images, max_distance), strict=True)
    return Pairs(*map(np.concatenate, blocks))


def _compress(face: Face) -> Face:
    packed = io.BytesIO()
    Image.fromarray(face).save(packed, "JPEG", quality=60)
    return np.array(Image.open(packed))


def _crop(pixels: int) -> Callable[[Face], Face]:
    box = (pixels, pixels, SIDE - pixels, SIDE - pixels)
    bilinear = Image.Resampling.BILINEAR
    return lambda face: np.array(Image.fromarray(face).crop(box).resize((SIDE, SIDE), bilinear))


def _shift(pixels: int) -> Callable[[Face], Face]:
    return lambda face: np.pad(face, ((0, 0), (pixels, 0)), mode="edge")[:, :SIDE]


def _rotate(degrees: float) -> Callable[[Face], Face]:
    middle = (SIDE - 1) / 2
    warp = cv2.getRotationMatrix2D((middle, middle), degrees, 1)
    return lambda face: np.asarray(
        cv2.warpAffine(face, warp, (SIDE, SIDE), borderMode=cv2.BORDER_REPLICATE), np.uint8
    )


CHANGES: dict[str, Callable[[Face], Face]] = {
    "JPEG of quality 60": _compress,
    "mirror image": lambda face: face[:, ::-1],
    "brighter, more contrast": lambda face: np.clip(face * 1.2 + 20, 0, 255).astype(np.uint8),
    "gamma 1.6": lambda face: (255 * (face / 255) ** 1.6).astype(np.uint8),
    "crop of 1 pixel": _crop(1),
    "crop of 2 pixels": _crop(2),
    "crop of 3 pixels": _crop(3),
    "shift by 1 pixel": _shift(1),
    "shift by 2 pixels": _shift(2),
    "rotation by 3 degrees": _rotate(3),
    "rotation by 5 degrees": _rotate(5),
}


if __name__ == "__main__":
    main()
