import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fer_tune.common.errors import UserError
from fer_tune.data.exact_duplicates import hash_images
from fer_tune.data.faces import SPLIT_NAMES, Faces, SplitName
from fer_tune.data.formats.decoded_faces import DecodedFaces
from fer_tune.data.split import select_split, split_faces

CLASSES = ("happy", "sad")


def faces(number: int, seed: int = 0) -> Faces:
    """Return different faces of two alternating classes."""
    images = np.random.default_rng(seed).integers(0, 256, (number, 48, 48), dtype=np.uint8)
    return Faces(images, np.arange(number) % 2)


def decoded(**own: Faces) -> DecodedFaces:
    splits: dict[SplitName, Faces] = {name: own[name] for name in SPLIT_NAMES if name in own}
    return DecodedFaces(CLASSES, splits)


def test_three_splits_are_used_unchanged() -> None:
    splits = split_faces(
        decoded(train=faces(20, 1), validation=faces(6, 2), test=faces(8, 3)), "source"
    )
    assert [len(splits[name]) for name in SPLIT_NAMES] == [20, 6, 8]
    assert splits.protocol == "The data set's own splits: 20 faces train, 6 validate, 8 test."


@pytest.mark.parametrize("held_out", ["validation", "test"])
def test_of_two_splits_the_held_out_one_tests(held_out: str) -> None:
    splits = split_faces(decoded(train=faces(200, 1), **{held_out: faces(30, 2)}), "source")
    assert [len(splits[name]) for name in SPLIT_NAMES] == [180, 20, 30]
    assert set(hash_images(splits.test.images)) == set(hash_images(faces(30, 2).images))


@pytest.mark.parametrize("only", SPLIT_NAMES)
def test_of_one_split_a_tenth_validates_and_a_tenth_tests(only: str) -> None:
    splits = split_faces(decoded(**{only: faces(200)}), "source")
    assert [len(splits[name]) for name in SPLIT_NAMES] == [162, 18, 20]
    for name in SPLIT_NAMES:
        counts = splits[name].count_by_class(2)
        assert counts[0] == counts[1]
    renamed = (f"all faces are of the {only} split; they are divided anew",)
    assert splits.notes == (() if only == "train" else renamed)


def test_the_order_of_the_faces_does_not_matter() -> None:
    original = faces(100)
    shuffled = original.take(np.random.default_rng(1).permutation(100))
    one, other = (split_faces(decoded(train=f), "source") for f in (original, shuffled))
    assert one.content_hash() == other.content_hash()


@given(st.lists(st.tuples(st.integers(0, 20), st.integers(0, 1)), max_size=80))
def test_duplicates_stay_together_and_no_face_is_lost(drawn: list[tuple[int, int]]) -> None:
    # Three distinct faces of each class, so that every split gets some; any number of duplicates.
    pairs = [*((100 + n, n % 2) for n in range(6)), *drawn]
    images = np.zeros((len(pairs), 48, 48), np.uint8)
    images[:, 0, 0] = [face for face, _ in pairs]
    all_faces = Faces(images, np.array([label for _, label in pairs], np.int64))
    try:
        splits = split_faces(decoded(train=all_faces), "source")
    except UserError:  # conflicting labels can leave a class without a distinct face
        return
    hashes = [set(hash_images(splits[name].images).tolist()) for name in SPLIT_NAMES]
    assert not hashes[0] & hashes[1] | hashes[0] & hashes[2] | hashes[1] & hashes[2]
    assert sum(len(splits[name]) for name in SPLIT_NAMES) == len(pairs)


def test_held_out_splits_alone_are_an_error() -> None:
    with pytest.raises(UserError, match="none to train"):
        split_faces(decoded(validation=faces(10), test=faces(10)), "source")


def test_a_class_missing_from_a_split_is_named() -> None:
    lopsided = faces(10).take(np.arange(0, 10, 2))
    with pytest.raises(UserError, match="the test split has no faces of sad"):
        split_faces(decoded(train=faces(20), validation=faces(6), test=lopsided), "source")


@pytest.mark.parametrize("name", SPLIT_NAMES)
def test_a_selected_split_is_that_of_a_study(name: SplitName) -> None:
    three = decoded(train=faces(40, 1), validation=faces(6, 2), test=faces(8, 3))
    for data in (three, decoded(train=faces(40, 1), validation=faces(6, 2))):
        ours, theirs = select_split(data, name, "here"), split_faces(data, "here")[name]
        np.testing.assert_array_equal(ours.images, theirs.images)
        np.testing.assert_array_equal(ours.names, theirs.names)


@pytest.mark.parametrize("name", ["validation", "test"])
def test_a_lone_held_out_split_is_selected_whole_as_the_test_split(name: SplitName) -> None:
    assert len(select_split(decoded(**{name: faces(40)}), "test", "here")) == 40


def test_all_faces_are_selected_with_their_names() -> None:
    both = select_split(decoded(validation=faces(6, 1), test=faces(8, 2)), "all", "here")
    assert len(both) == len(both.names) == 14


def test_a_split_that_the_data_lacks_is_named() -> None:
    with pytest.raises(UserError, match="here has no train faces; it has validation, test, or"):
        select_split(decoded(validation=faces(6, 1), test=faces(8, 2)), "train", "here")
