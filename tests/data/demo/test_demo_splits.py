import numpy as np
import pytest

from fer_tune.data.demo.demo_splits import FER2013_COUNTS, draw_demo_splits
from fer_tune.data.demo.portraits import EXPRESSIONS, draw_portraits
from fer_tune.data.faces import EMOTIONS, SPLIT_NAMES, SplitName, Splits


@pytest.fixture(scope="module")
def splits() -> Splits:
    return draw_demo_splits()


def test_the_demo_faces_are_the_same_each_time(splits: Splits) -> None:
    drawn_again = draw_demo_splits.__wrapped__()
    assert drawn_again.content_hash() == splits.content_hash()


@pytest.mark.parametrize("name", ["images", "labels", "names"])
def test_nobody_changes_the_demo_faces_of_others(splits: Splits, name: str) -> None:
    with pytest.raises(ValueError, match="read-only"):
        getattr(splits.train, name)[0] = 0


def test_another_seed_draws_other_faces(splits: Splits) -> None:
    assert draw_demo_splits(seed=1).content_hash() != splits.content_hash()


@pytest.mark.parametrize("name", SPLIT_NAMES)
def test_every_split_is_as_imbalanced_as_fer2013(splits: Splits, name: SplitName) -> None:
    shares = splits[name].count_by_class(len(EMOTIONS)) / len(splits[name])
    expected = np.array(FER2013_COUNTS[name]) / sum(FER2013_COUNTS[name])
    np.testing.assert_allclose(shares, expected, atol=0.002)
    assert splits[name].count_by_class(len(EMOTIONS)).min() > 0


def test_no_demo_face_is_in_two_splits(splits: Splits) -> None:
    faces = [image.tobytes() for name in SPLIT_NAMES for image in splits[name].images]
    assert len(set(faces)) == len(faces)


def test_there_is_an_expression_for_every_emotion() -> None:
    assert set(EXPRESSIONS) == set(EMOTIONS)


def test_the_same_person_looks_different_with_another_expression() -> None:
    drawn = [draw_portraits([name], np.random.default_rng(3))[0].tobytes() for name in EMOTIONS]
    assert len(set(drawn)) == len(EMOTIONS)


def test_portraits_use_the_whole_range_from_black_to_white() -> None:
    images = draw_portraits(list(EMOTIONS) * 20, np.random.default_rng(0))
    assert images.min() == 0
    assert images.max() == 255
    assert 0.4 < images.mean() / 255 < 0.6
