import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from fer_tune.data.faces import SIDE, Faces
from fer_tune.data.resampling import (
    DATA_PLANS,
    DataPlan,
    apply_data_plan,
    count_epoch_faces,
)

COUNTS = [7, 2, 12]


def faces(counts: list[int]) -> Faces:
    rng = np.random.default_rng(0)
    labels = rng.permutation(np.repeat(np.arange(len(counts)), counts))
    return Faces(rng.integers(0, 256, (len(labels), SIDE, SIDE), dtype=np.uint8), labels)


def keys(images: NDArray[np.uint8]) -> list[bytes]:
    return [image.tobytes() for image in images]


def test_original_is_the_faces_as_they_are() -> None:
    train = faces(COUNTS)
    training = apply_data_plan("original", train, seed=0)
    assert training.faces is train
    assert training.sampling_weights is None


def test_balanced_has_eleven_faces_for_each_original_of_the_smallest_class() -> None:
    training = apply_data_plan("balanced", faces(COUNTS), seed=0)
    assert training.faces.count_by_class(3).tolist() == [22, 22, 22]


def test_balanced_keeps_as_many_originals_of_each_class_as_the_smallest_has() -> None:
    train = faces(COUNTS)
    training = apply_data_plan("balanced", train, seed=0)
    known = dict(zip(keys(train.images), train.labels, strict=True))
    drawn = [known[key] for key in keys(training.faces.images) if key in known]
    assert np.bincount(drawn).tolist() == [2, 2, 2]


def test_oversampled_keeps_every_original_and_its_label() -> None:
    train = faces(COUNTS)
    training = apply_data_plan("oversampled", train, seed=0)
    np.testing.assert_array_equal(training.faces.images[: len(train)], train.images)
    np.testing.assert_array_equal(training.faces.labels[: len(train)], train.labels)


def test_oversampled_spreads_its_copies_evenly_over_the_originals() -> None:
    """A face of one grey stays so when it is rotated, so its grey identifies the original."""
    tones = np.array([0, 64, 128, 10, 10, 10, 10, 10, 10, 10, 10, 10])
    images = np.broadcast_to(tones[:, None, None], (12, SIDE, SIDE)).astype(np.uint8)
    train = Faces(images.copy(), np.array([0] * 3 + [1] * 9))
    copies = apply_data_plan("oversampled", train, seed=0).faces.take(np.arange(12, 18))
    nearest = np.abs(copies.images.mean(axis=(1, 2))[:, None] - [0, 64, 128]).argmin(axis=1)
    assert np.bincount(nearest).tolist() == [2, 2, 2]


def test_sqrt_sampler_weights_sum_to_one_and_draw_a_rare_class_more_often() -> None:
    train = faces([400, 4])
    chances = apply_data_plan("sqrt_sampler", train, seed=0).sampling_weights
    assert chances is not None
    assert chances.sum() == pytest.approx(1)
    by_class = np.bincount(train.labels, chances)
    assert by_class[1] / by_class[0] == pytest.approx(0.1)  # sqrt(4 / 400); 0.01 unweighted


@pytest.mark.parametrize("name", DATA_PLANS)
def test_a_plan_built_twice_is_the_same(name: DataPlan) -> None:
    first, second = (apply_data_plan(name, faces(COUNTS), seed=4) for _ in range(2))
    np.testing.assert_array_equal(first.faces.images, second.faces.images)
    np.testing.assert_array_equal(first.faces.labels, second.faces.labels)


@pytest.mark.parametrize("name", ["balanced", "oversampled"])
def test_another_seed_makes_other_copies(name: DataPlan) -> None:
    first, second = (apply_data_plan(name, faces(COUNTS), seed).faces.images for seed in (0, 1))
    assert not np.array_equal(first, second)


def test_a_plan_leaves_the_training_faces_as_they_were() -> None:
    train, untouched = faces(COUNTS), faces(COUNTS)
    for name in DATA_PLANS:
        apply_data_plan(name, train, seed=0)
    np.testing.assert_array_equal(train.images, untouched.images)


@settings(max_examples=25)
@given(st.lists(st.integers(1, 9), min_size=1, max_size=5), st.integers(0, 2**32 - 1))
def test_counts_are_right_for_any_classes(counts: list[int], seed: int) -> None:
    train, classes = faces(counts), len(counts)
    balanced = apply_data_plan("balanced", train, seed).faces
    assert balanced.count_by_class(classes).tolist() == [11 * min(counts)] * classes
    oversampled = apply_data_plan("oversampled", train, seed).faces
    assert oversampled.count_by_class(classes).tolist() == [max(counts)] * classes


@pytest.mark.parametrize("plan", DATA_PLANS)
@pytest.mark.parametrize("counts", [[7, 2, 12], [5, 5], [4, 0, 1, 9], [3]])
def test_the_faces_of_an_epoch_are_counted_without_making_them(
    plan: DataPlan, counts: list[int]
) -> None:
    train = faces(counts)
    made = apply_data_plan(plan, train, seed=3).faces
    assert count_epoch_faces(plan, train.labels) == len(made)
