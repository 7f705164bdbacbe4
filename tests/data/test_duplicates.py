import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from fer_tune.data import duplicates
from fer_tune.data.demo.demo_splits import draw_demo_splits
from fer_tune.data.duplicates import (
    find_pairs,
    group_near_duplicates,
    has_duplicate,
    has_near_duplicate,
)

Images = NDArray[np.uint8]


def draw_faces(number: int) -> Images:
    """Return drawn faces of which none is a near-duplicate of another."""
    images = draw_demo_splits().train.images[::20]
    _, first = np.unique(group_near_duplicates(images), return_index=True)
    return images[np.sort(first)[:number]]


def crop(images: Images, pixels: int) -> Images:
    cut = images[:, pixels:-pixels, pixels:-pixels]
    return np.stack([np.array(Image.fromarray(image).resize((48, 48))) for image in cut])


def shift(images: Images, pixels: int) -> Images:
    return np.pad(images, ((0, 0), (0, 0), (pixels, 0)), mode="edge")[:, :, :48]


def test_faces_of_the_same_pixels_are_duplicates() -> None:
    images = np.random.default_rng(0).integers(0, 256, (4, 48, 48), dtype=np.uint8)
    others = images[[3, 1]].copy()
    others[0, 0, 0] ^= 1
    assert has_duplicate(images, others).tolist() == [False, True, False, False]


@pytest.mark.parametrize(
    ("copies", "share"),
    [
        (lambda faces: faces, 1),
        (lambda faces: faces[:, :, ::-1], 1),
        (lambda faces: (faces * 0.7 + 20).astype(np.uint8), 1),
        (lambda faces: crop(faces, 1), 0.98),
        (lambda faces: crop(faces, 2), 0.98),
        (lambda faces: crop(faces, 2)[:, :, ::-1], 0.98),
        (lambda faces: shift(faces, 1), 0.95),
    ],
    ids=["same", "mirrored", "light", "crop of 1", "crop of 2", "cropped and mirrored", "shift"],
)
def test_a_changed_copy_is_a_near_duplicate(copies: object, share: float) -> None:
    faces = draw_faces(100)
    changed = np.ascontiguousarray(copies(faces))  # type: ignore[operator]
    assert has_near_duplicate(changed, faces).mean() >= share
    assert has_near_duplicate(faces, changed).mean() >= share


def test_noise_has_no_near_duplicates() -> None:
    noise = np.random.default_rng(0).integers(0, 256, (500, 48, 48), dtype=np.uint8)
    assert len(np.unique(group_near_duplicates(noise))) == 500
    assert not has_near_duplicate(noise[:250], noise[250:]).any()


def test_groups_connect_chains_across_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    faces = draw_faces(8)
    images = np.concatenate([faces, faces[:, :, ::-1], crop(faces, 2), faces[:1]])
    whole = group_near_duplicates(images)
    assert len(np.unique(whole)) == 8
    assert whole[:8].tolist() == whole[8:16].tolist() == whole[16:24].tolist()
    assert whole[24] == whole[0]
    monkeypatch.setattr(duplicates, "_BLOCK", 3)
    in_blocks = group_near_duplicates(images)
    assert len(np.unique(np.stack([whole, in_blocks]), axis=1)[0]) == 8  # the same groups


def test_pairs_have_their_distance_and_each_is_found_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(duplicates, "_BLOCK", 4)
    faces = draw_faces(5)
    images = np.concatenate([faces, crop(faces, 1), faces])
    pairs = [pair for block in find_pairs(images) for pair in zip(*map(list, block), strict=True)]
    distances = {(first, second): bits for first, second, bits in pairs}
    assert len(pairs) == len(distances) == 15
    assert all(distances[n, n + 10] == 0 for n in range(5))
    assert all(0 < distances[n, n + 5] <= duplicates.MAX_DISTANCE for n in range(5))


def test_no_faces_have_no_near_duplicates() -> None:
    none, faces = np.zeros((0, 48, 48), np.uint8), draw_faces(3)
    assert has_near_duplicate(none, faces).tolist() == []
    assert has_near_duplicate(faces, none).tolist() == [False] * 3
    assert group_near_duplicates(none).tolist() == []


def test_blank_faces_are_near_duplicates_of_each_other_only() -> None:
    blank = np.stack([np.full((48, 48), grey, np.uint8) for grey in (0, 7, 128, 255)])
    groups = group_near_duplicates(np.concatenate([blank, draw_faces(20)]))
    assert len(set(groups[1:4].tolist())) == 1
    assert len(np.unique(groups)) >= 21
