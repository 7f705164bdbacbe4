from pathlib import Path

import matplotlib
import pytest
import sklearn
from PIL import Image

from fer_tune.predict.extract_faces import FaceBox, detect_faces

# Photographs that packages contain: one with a face, and one without.
HOPPER = Path(matplotlib.get_data_path(), "sample_data", "grace_hopper.jpg")
FACELESS = Path(sklearn.__file__).parent / "datasets" / "images"


def centre_of(box: FaceBox) -> tuple[float, float]:
    return box.x + box.side / 2, box.y + box.side / 2


def grey(path: Path) -> Image.Image:
    with Image.open(path) as photo:
        return photo.convert("L")


def test_a_face_is_detected_at_its_position() -> None:
    (box,) = detect_faces(grey(HOPPER))
    assert centre_of(box) == pytest.approx((265, 218), abs=15)
    assert box.side == pytest.approx(240, abs=30)


def test_boxes_are_in_pixels_of_the_photograph_whatever_its_size() -> None:
    photo = grey(HOPPER)
    (box,) = detect_faces(photo)
    (large,) = detect_faces(photo.resize((photo.width * 5, photo.height * 5)))
    assert [each / 5 for each in large] == pytest.approx(list(box), abs=15)


def test_of_several_faces_each_is_found_from_left_to_right() -> None:
    photo = grey(HOPPER)
    group = Image.new("L", (3 * photo.width, photo.height))
    for n in range(3):
        group.paste(photo, (n * photo.width, 0))
    boxes = detect_faces(group)
    assert [box.x // photo.width for box in boxes] == [0, 1, 2]


@pytest.mark.parametrize("name", ["flower.jpg", "china.jpg"])
def test_no_face_is_detected_in_a_photograph_without_one(name: str) -> None:
    assert detect_faces(grey(FACELESS / name)) == []


@pytest.mark.parametrize("size", [(1, 1), (1, 9000), (9000, 1), (30, 30)])
def test_an_image_too_small_for_a_face_holds_none(size: tuple[int, int]) -> None:
    assert detect_faces(Image.new("L", size)) == []
