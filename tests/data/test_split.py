import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fer_tune.common.errors import UserError
from fer_tune.data.demo.demo_splits import draw_demo_splits
from fer_tune.data.duplicates import group_near_duplicates, has_near_duplicate, hash_images
from fer_tune.data.faces import SPLIT_NAMES, Faces, SplitName
from fer_tune.data.formats.decoded_faces import DecodedFaces
from fer_tune.data.read_options import SplitRule
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


def add_copies(own: Faces, number: int) -> Faces:
    """Return faces with mirrored copies of the first ones, some under the other label."""
    copies = own.images[:number, :, ::-1]
    labels = np.concatenate([own.labels, np.arange(number) // 2 % 2])
    return Faces(np.concatenate([own.images, copies]), labels)


def drawn_faces(*names: SplitName) -> DecodedFaces:
    demo = draw_demo_splits()
    return DecodedFaces(demo.classes, {name: demo[name] for name in names})


def faces_with_conflicts() -> Faces:
    own = faces(100)
    labels = np.concatenate([own.labels, 1 - own.labels[:15], own.labels[15:30]])
    return Faces(np.concatenate([own.images, own.images[:30]]), labels)


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (
            drawn_faces("train"),
            "2ad7dd2cd6786405359e1b7e4735c73ece4a09b60bd940a978d91ba9fd796e8a",
        ),
        (
            drawn_faces("train", "test"),
            "1627b7705fed2abe656fb3307651e48ea80db2ea93c179c894f12c6a3020df2d",
        ),
        (
            decoded(train=faces_with_conflicts()),
            "dfa9ed23ed151643e0b272382fa239a9030f33ab6e7ab19b5920b55f95a9cf59",
        ),
        (
            decoded(train=faces_with_conflicts(), validation=faces(20, 9)),
            "a2844a966da9317df4f133b2f1382169f687ee0b83499783cd85784e9753c32a",
        ),
    ],
    ids=["drawn", "drawn, with a test split", "conflicts", "conflicts, with a test split"],
)
def test_the_exact_rule_divides_as_before_the_near_rule(data: DecodedFaces, expected: str) -> None:
    splits = split_faces(data, "source", "exact")
    assert splits.content_hash() == expected
    assert "Near-duplicates" not in splits.protocol


def test_near_duplicates_stay_on_one_side() -> None:
    data = drawn_faces("train")
    near, exact = (split_faces(data, "source", rule) for rule in ("near", "exact"))
    assert near.protocol.endswith("The other 2,326 faces train. Near-duplicates stay on one side.")
    for splits, leaks in ((near, False), (exact, True)):
        held_out = np.concatenate([splits.test.images, splits.validation.images])
        assert has_near_duplicate(held_out, splits.train.images).any() == leaks
        assert has_near_duplicate(splits.test.images, splits.validation.images).any() <= leaks


def test_the_near_rule_divides_drawn_faces_as_ever() -> None:
    splits = split_faces(drawn_faces("train"), "source", "near")
    assert splits.content_hash() == (
        "2152cab5be4183433621d50efd656667a9b39b0ce6584a6d0aa79b18d5b242bd"
    )


def test_without_near_duplicates_the_rules_agree() -> None:
    data = decoded(train=faces(100))
    near, exact = (split_faces(data, "source", rule).content_hash() for rule in ("near", "exact"))
    assert near == exact


@pytest.mark.parametrize("seed", range(5))
def test_a_tenth_of_each_class_is_held_out_whatever_the_groups(seed: int) -> None:
    data = add_copies(faces(200, seed), 80)
    splits = split_faces(decoded(train=data), "source", "near")
    counts = np.stack([splits[name].count_by_class(2) for name in SPLIT_NAMES])
    assert counts.sum() == 280
    assert (abs(counts[1:] - 13.3) < 4).all(), counts


def test_large_groups_are_held_out_no_more_often_than_single_faces() -> None:
    shares = []
    for seed in range(10):
        own = add_copies(faces(200, seed), 100)
        test = split_faces(decoded(train=own), "source", "near").test
        _, group, sizes = np.unique(
            group_near_duplicates(test.images), return_inverse=True, return_counts=True
        )
        shares.append((sizes[group] > 1).mean())
    assert abs(np.mean(shares) - 2 / 3) < 0.1  # 200 of 300 faces are in a group of two


def repeat_face(own: Faces, number: int) -> Faces:
    """Return faces with a class more, of slightly different copies of the first face."""
    frames = np.repeat(own.images[:1], number, axis=0)
    frames[:, 0, 0] = range(number)
    labels = np.concatenate([own.labels, np.full(number, 2)])
    return Faces(np.concatenate([own.images, frames]), labels)


def test_a_class_of_near_duplicates_only_is_divided_all_the_same() -> None:
    data = DecodedFaces((*CLASSES, "angry"), {"train": repeat_face(faces(20), 10)})
    splits = split_faces(data, "source", "near")
    assert splits.protocol.endswith("Near-duplicates stay on one side, except those of angry.")
    assert [splits[name].count_by_class(3)[2] for name in SPLIT_NAMES] == [8, 1, 1]


def test_a_class_of_one_large_group_keeps_it_for_training() -> None:
    many = repeat_face(faces(20), 30)
    others = faces(2, 7)
    labels = np.concatenate([many.labels, [2, 2]])
    data = Faces(np.concatenate([many.images, others.images]), labels)
    splits = split_faces(DecodedFaces((*CLASSES, "angry"), {"train": data}), "source", "near")
    assert splits.protocol.endswith("Near-duplicates stay on one side.")
    assert [splits[name].count_by_class(3)[2] for name in SPLIT_NAMES] == [30, 1, 1]


def test_a_selected_split_has_the_rule_of_its_study() -> None:
    rules: tuple[SplitRule, ...] = ("near", "exact")
    data = drawn_faces("train")
    for rule in rules:
        ours = select_split(data, "test", "here", rule)
        theirs = split_faces(data, "here", rule).test
        np.testing.assert_array_equal(ours.images, theirs.images)
