import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fer_tune.common.errors import UserError
from fer_tune.data.faces import Faces
from fer_tune.data.resampling import apply_data_plan
from fer_tune.data.subsample import describe_sample, draw_stratified_sample, draw_train_eval_sample

Counts = st.lists(st.integers(1, 60), min_size=1, max_size=7)


def _faces(counts: list[int]) -> Faces:
    labels = np.repeat(np.arange(len(counts)), counts)
    images = np.arange(len(labels), dtype=np.uint8)[:, None, None].repeat(48, 1).repeat(48, 2)
    return Faces(images, labels)


@given(Counts, st.data())
def test_every_class_has_its_share_to_within_a_face(counts: list[int], data: st.DataObject) -> None:
    faces = _faces(counts)
    size = data.draw(st.integers(len(counts), len(faces)))
    drawn = draw_stratified_sample(faces, size, seed=0)
    assert len(drawn) == size
    for count, got in zip(counts, drawn.count_by_class(len(counts)), strict=True):
        assert 1 <= got <= count
        if count * size >= len(faces):
            assert abs(got - count * size / len(faces)) < len(counts)


@pytest.mark.parametrize("counts", [[1, 1, 1, 6, 6], [1, 1, 1, 1, 1, 15, 15]])
def test_as_many_faces_as_classes_are_one_of_each(counts: list[int]) -> None:
    drawn = draw_stratified_sample(_faces(counts), len(counts), seed=0)
    assert drawn.count_by_class(len(counts)).tolist() == [1] * len(counts)


def test_the_train_eval_sample_has_every_class_even_if_the_plan_has_one_face_of_each() -> None:
    train = _faces([1, 100, 1])
    sample = draw_train_eval_sample(apply_data_plan("balanced", train, seed=0), train, 40)
    assert sample.count_by_class(3).tolist() == [1, 1, 1]


def test_fewer_faces_than_classes_are_refused() -> None:
    with pytest.raises(UserError, match="cannot draw 2 faces of 3 classes"):
        draw_stratified_sample(_faces([5, 5, 5]), 2, seed=0)


def test_the_clean_sample_is_of_faces_that_the_trial_trains_on() -> None:
    train = _faces([10, 100, 50])
    balanced = apply_data_plan("balanced", train, seed=0)
    originals = {image.tobytes() for image in balanced.originals.images}
    sample = draw_train_eval_sample(balanced, train, 40)
    assert {image.tobytes() for image in sample.images} <= originals
    # The balanced plan has ten originals of each class. With the shares of the split, these are
    # ten of the second class, one of the first and five of the third.
    assert sample.count_by_class(3).tolist() == [1, 10, 5]


@pytest.mark.parametrize("plan", ["original", "oversampled", "sqrt_sampler"])
def test_a_plan_that_keeps_every_face_has_the_same_clean_sample(plan: str) -> None:
    train = _faces([10, 100, 50])
    sample = draw_train_eval_sample(apply_data_plan(plan, train, seed=0), train, 32)  # type: ignore[arg-type]
    expected = draw_train_eval_sample(apply_data_plan("original", train, seed=0), train, 32)
    np.testing.assert_array_equal(sample.images, expected.images)
    assert sample.count_by_class(3).tolist() == [2, 20, 10]


@pytest.mark.parametrize("size", [None, 120, 5000])
def test_a_sample_of_all_training_faces_needs_no_sentence(size: int | None) -> None:
    assert describe_sample(120, size) == ""


def test_a_sample_is_described_by_its_size_and_that_of_the_split() -> None:
    assert "2,500 of 31,000 train" in describe_sample(31_000, 2_500)
