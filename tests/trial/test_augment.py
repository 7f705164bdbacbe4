import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from fer_tune.trial import augment
from fer_tune.trial.augment import augment_images, make_mixup_function

FACES = 400


def only(monkeypatch: pytest.MonkeyPatch, varied: str) -> None:
    """Switch off every augmentation but one; half of the faces are still flipped."""
    for name in {"ROTATION", "SHIFT", "ZOOM", "BRIGHTNESS", "CONTRAST", "ERASE_CHANCE"} - {varied}:
        monkeypatch.setattr(augment, name, 0.0)


def repeated(picture: Tensor) -> Tensor:
    return picture.expand(FACES, 1, 48, 48).contiguous()


def box(half_height: int, half_width: int) -> Tensor:
    """Return a white centred square on black, equal to its mirror image."""
    picture = torch.zeros(48, 48)
    picture[24 - half_height : 24 + half_height, 24 - half_width : 24 + half_width] = 1
    return picture


def noise(count: int) -> Tensor:
    return torch.rand(count, 1, 48, 48, generator=torch.Generator().manual_seed(1))


def centres(images: Tensor) -> Tensor:
    """Return (B, 2): the centre of the light of each image, right and down of the middle."""
    places = torch.arange(48) - 23.5
    light = images.sum(dim=(1, 2, 3))
    right = (images.sum(dim=(1, 2)) * places).sum(1) / light
    down = (images.sum(dim=(1, 3)) * places).sum(1) / light
    return torch.stack([right, down], dim=1)


@pytest.fixture(autouse=True)
def _seeded() -> None:
    torch.manual_seed(0)


def test_strength_0_leaves_faces_as_they_are() -> None:
    images = noise(5)
    assert torch.equal(augment_images(images, 0), images)


@settings(max_examples=25)
@given(strength=st.floats(0, 1), seed=st.integers(0, 2**32 - 1))
def test_augmented_faces_stay_within_0_and_1(strength: float, seed: int) -> None:
    torch.manual_seed(seed)
    images = noise(8).round()  # black and white: the ends of the range
    changed = augment_images(images, strength)
    assert changed.shape == images.shape
    assert changed.dtype == torch.float32
    assert changed.min() >= 0
    assert changed.max() <= 1


def test_a_face_is_flipped_about_half_the_time() -> None:
    picture = torch.linspace(0, 1, 48).expand(48, 48)  # dark left, light right
    changed = augment_images(repeated(picture), 1e-6)
    mirrored = changed[:, 0, :, 0] > changed[:, 0, :, -1]
    flipped = mirrored.all(dim=1)
    assert torch.equal(flipped, mirrored.any(dim=1))
    assert 0.4 < flipped.float().mean() < 0.6
    expected = torch.where(flipped[:, None, None, None], picture.flip(1), picture)
    torch.testing.assert_close(changed, expected, atol=1e-4, rtol=0)


def test_a_face_is_never_upside_down() -> None:
    picture = torch.linspace(0, 1, 48)[:, None].expand(48, 48)  # dark above, light below
    changed = augment_images(repeated(picture), 1.0)
    assert (centres(changed)[:, 1] > 0).all()


def test_each_face_is_changed_in_its_own_way() -> None:
    changed = augment_images(repeated(noise(1)[0, 0]), 0.5)
    assert len({image.numpy().tobytes() for image in changed}) == FACES


def test_faces_are_shifted_each_way_by_up_to_a_fifth_of_the_side(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    only(monkeypatch, "SHIFT")
    images = repeated(box(5, 5))
    moved = centres(augment_images(images, 1.0)) / 48
    assert moved.abs().max() <= 0.2 + 1e-3
    assert (moved.amax(0) > 0.19).all()
    assert (moved.amin(0) < -0.19).all()
    assert moved.mean(0).abs().max() < 0.02
    assert (
        abs(np.corrcoef(moved.abs().T.numpy())[0, 1]) < 0.15
    )  # the two directions are independent
    assert (centres(augment_images(images, 0.5)) / 48).abs().max() <= 0.1 + 1e-3


def test_faces_are_zoomed_in_and_out_about_their_middle(monkeypatch: pytest.MonkeyPatch) -> None:
    only(monkeypatch, "ZOOM")
    changed = augment_images(repeated(box(10, 10)), 1.0)
    assert centres(changed).abs().max() < 0.01
    sides = changed.sum(dim=(1, 2, 3)).sqrt() / 20
    assert 1 / 1.2 - 0.03 < sides.min() < 0.86
    assert 1.2 < sides.max() < 1 / 0.8 + 0.03


def test_faces_are_turned_both_ways_by_up_to_15_degrees_and_keep_their_shape(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    only(monkeypatch, "ROTATION")
    changed = augment_images(repeated(box(3, 15)), 1.0)[:, 0]
    assert centres(changed[:, None]).abs().max() < 0.1
    places = torch.arange(48) - 23.5
    light = changed.sum(dim=(1, 2))
    across = (changed * places**2).sum(dim=(1, 2)) / light
    down = (changed * places[:, None] ** 2).sum(dim=(1, 2)) / light
    both = (changed * places[:, None] * places).sum(dim=(1, 2)) / light
    angles = torch.rad2deg(torch.atan2(2 * both, across - down) / 2)
    assert 14 < angles.max() < 15.5
    assert -15.5 < angles.min() < -14
    torch.testing.assert_close(light, torch.full_like(light, 6 * 30), rtol=0.03, atol=0)
    torch.testing.assert_close(across + down, (across + down)[0].expand(FACES), rtol=0.03, atol=0)


def test_what_a_moved_face_leaves_bare_takes_the_colour_of_its_border(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(augment, "BRIGHTNESS", 0.0)
    white = repeated(torch.ones(48, 48))
    torch.testing.assert_close(augment_images(white, 1.0), white)


def test_faces_are_made_darker_and_lighter(monkeypatch: pytest.MonkeyPatch) -> None:
    only(monkeypatch, "BRIGHTNESS")
    change = augment_images(repeated(torch.full((48, 48), 0.5)), 1.0) - 0.5
    each = change.mean(dim=(1, 2, 3))
    torch.testing.assert_close(change, each[:, None, None, None].expand_as(change))
    assert 0.14 < each.max() <= 0.15 + 1e-6
    assert -0.15 - 1e-6 <= each.min() < -0.14


def test_contrast_changes_about_the_faces_own_mean(monkeypatch: pytest.MonkeyPatch) -> None:
    only(monkeypatch, "CONTRAST")
    images = repeated(0.4 + 0.2 * box(12, 24))
    changed = augment_images(images, 1.0)
    torch.testing.assert_close(changed.mean(dim=(1, 2, 3)), images.mean(dim=(1, 2, 3)))
    spread = changed.std(dim=(1, 2, 3)) / images.std(dim=(1, 2, 3))
    assert 0.69 < spread.min() < 0.72
    assert 1.28 < spread.max() < 1.31


def test_half_of_the_faces_lose_a_part_to_their_mean_grey(monkeypatch: pytest.MonkeyPatch) -> None:
    only(monkeypatch, "ERASE_CHANCE")
    picture = torch.ones(48, 48)
    picture[:, ::2] = 0  # no pixel has the mean grey
    changed = augment_images(repeated(picture), 1.0)[:, 0]
    holes = (changed - 0.5).abs() < 0.01
    assert 0.4 < holes.any(dim=2).any(dim=1).float().mean() < 0.6
    heights, widths = holes.any(dim=2).sum(1), holes.any(dim=1).sum(1)
    assert torch.equal(holes.sum(dim=(1, 2)), heights * widths)  # each hole is one rectangle
    assert 17 <= heights.max() <= 20
    assert 17 <= widths.max() <= 20


def test_the_global_seed_decides_the_changes() -> None:
    images = noise(6)
    results = []
    for seed in (3, 3, 4):
        torch.manual_seed(seed)
        results.append(augment_images(images, 0.7))
    assert torch.equal(results[0], results[1])
    assert not torch.equal(results[0], results[2])


def test_the_faces_given_are_left_as_they_are() -> None:
    images = noise(6)
    before = images.clone()
    augment_images(images, 1.0)
    assert torch.equal(images, before)


def test_mixup_with_alpha_0_leaves_a_batch_unchanged() -> None:
    images, labels = torch.rand(4, 1, 48, 48), torch.tensor([0, 1, 2, 1])
    mixed, shares = make_mixup_function(0, 3)(images, labels)
    assert mixed is images
    assert shares is labels


def test_mixup_mixes_faces_and_their_labels_by_the_same_share() -> None:
    torch.manual_seed(0)
    # Each face has one grey, which shows its share in a mixture.
    labels = torch.tensor([0, 1, 2])
    images = (labels.float() / 2).view(3, 1, 1, 1).expand(3, 1, 48, 48)
    mixed, shares = make_mixup_function(1.0, 3)(images, labels)
    torch.testing.assert_close(shares.sum(dim=1), torch.ones(3))
    torch.testing.assert_close(mixed.mean(dim=(1, 2, 3)), shares @ torch.tensor([0.0, 0.5, 1.0]))
    assert 0 < shares.max() < 1
