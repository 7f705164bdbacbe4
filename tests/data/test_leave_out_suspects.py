from collections import Counter

import numpy as np
import pytest

from fer_tune.data.faces import SIDE, Faces, Splits
from fer_tune.data.leave_out_suspects import (
    count_faces_without_suspects,
    leave_out_suspects,
    select_suspects,
)
from fer_tune.data.resampling import DATA_PLANS, DataPlan
from fer_tune.data.trial_data import TrialData, build_trial_data

LABELS = np.repeat([0, 1, 2], [40, 20, 8])
SHARE = 0.25


def make_data(plan: DataPlan, seed: int = 5) -> tuple[Faces, TrialData]:
    """Return training faces with suspects of all classes, and the faces of a trial."""
    rng = np.random.default_rng(0)
    images = rng.integers(0, 256, (len(LABELS), SIDE, SIDE), dtype=np.uint8)
    train = Faces(images, LABELS, suspect_ranks=rng.permutation(len(LABELS)))
    validation = Faces(images[::2], LABELS[::2])
    splits = Splits(("a", "b", "c"), train, validation, validation, "noise", "")
    return train, build_trial_data(splits, train, plan, seed)


def test_the_most_suspicious_faces_are_left_out() -> None:
    ranks = np.array([3, 0, 2, 1, 4, 7, 6, 5])
    labels = np.array([0, 0, 0, 0, 0, 1, 1, 1])
    assert select_suspects(labels, ranks, 0.25).tolist() == [
        *[False, True, False, True],
        *[False] * 4,
    ]


def test_of_no_class_more_than_half_is_left_out() -> None:
    labels = np.array([0, 1, 1, 1, 0, 0, 0, 0])
    is_suspect = select_suspects(labels, np.array([5, 0, 1, 2, 6, 3, 4, 7]), 0.5)
    assert np.flatnonzero(is_suspect).tolist() == [1, 5, 6]
    for share in (0.0, 0.1, 0.3, 0.5):
        chosen = select_suspects(LABELS, np.arange(len(LABELS))[::-1], share)
        assert chosen.sum() <= share * len(LABELS)
        assert (np.bincount(LABELS[chosen], minlength=3) <= np.bincount(LABELS) / 2).all()


def test_faces_without_a_list_are_an_error() -> None:
    with pytest.raises(ValueError, match="no list of suspects"):
        select_suspects(LABELS, None, SHARE)


@pytest.mark.parametrize("plan", DATA_PLANS)
def test_an_epoch_has_as_many_faces_as_are_counted_without_making_them(plan: DataPlan) -> None:
    train, data = make_data(plan, seed=5)
    remaining = leave_out_suspects(data, SHARE)
    assert len(remaining.training.faces) == count_faces_without_suspects(plan, train, 5, SHARE)
    assert len(remaining.training.faces) < len(data.training.faces)


@pytest.mark.parametrize("plan", DATA_PLANS)
def test_the_suspects_go_with_their_copies_and_from_the_train_sample(plan: DataPlan) -> None:
    _, data = make_data(plan)
    remaining = leave_out_suspects(data, SHARE)
    before, after = data.training, remaining.training
    names = set(after.originals.names.tolist())
    left_out = set(before.originals.names.tolist()) - names
    assert len(left_out) == int(SHARE * len(before.originals))
    assert set(after.faces.names.tolist()) == names
    assert set(remaining.train_sample.names.tolist()) <= names
    assert len(remaining.train_sample) > 0
    copies = Counter(before.faces.names[len(before.originals) :].tolist())
    assert Counter(after.faces.names[len(after.originals) :].tolist()) == Counter(
        {name: count for name, count in copies.items() if name in names}
    )


@pytest.mark.parametrize("plan", DATA_PLANS)
def test_the_validation_faces_stay(plan: DataPlan) -> None:
    _, data = make_data(plan)
    assert leave_out_suspects(data, SHARE).validation is data.validation


def test_the_chances_of_the_remaining_faces_keep_their_proportions() -> None:
    _, data = make_data("sqrt_sampler")
    weights = leave_out_suspects(data, SHARE).training.sampling_weights
    assert weights is not None
    assert weights.sum() == pytest.approx(1)
    assert len(np.unique(weights.round(12))) == 3
