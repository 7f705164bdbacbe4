import numpy as np

from fer_tune.data.exact_duplicates import has_duplicate


def test_faces_of_the_same_pixels_are_duplicates() -> None:
    images = np.random.default_rng(0).integers(0, 256, (4, 48, 48), dtype=np.uint8)
    others = images[[3, 1]].copy()
    others[0, 0, 0] ^= 1
    assert has_duplicate(images, others).tolist() == [False, True, False, False]
