from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from fer_tune.common.console import create_console
from fer_tune.common.disk_or_bucket import DiskDirectory
from fer_tune.common.errors import UserError
from fer_tune.data.faces import SIDE, Faces, Splits
from fer_tune.suspects import out_of_fold
from fer_tune.suspects.out_of_fold import CrossValidation, assign_folds, predict_out_of_fold
from fer_tune.trial import checkpoint
from fer_tune.trial.train_state import TrainState
from fer_tune.trial.training_loop import Diverged

SETTINGS = CrossValidation(folds=2, epochs=2, seed=0)
CLASSES = ("dark", "bright")


def make_splits(faces: int = 40) -> Splits:
    """Return noise, of which every second face is brighter."""
    rng = np.random.default_rng(0)
    labels = np.arange(faces) % 2
    images = rng.integers(0, 120, (faces, SIDE, SIDE)) + 120 * labels[:, None, None]
    train = Faces(images.astype(np.uint8), labels.astype(np.int64))
    other = train.take(np.arange(4))
    return Splits(CLASSES, train, other, other, "noise", "")


def predict(splits: Splits, folder: str = "kept") -> NDArray[np.float64]:
    return predict_out_of_fold(create_console(), splits, SETTINGS, DiskDirectory(Path(folder)))


def test_every_face_gets_the_probabilities_of_a_network_of_another_fold() -> None:
    probabilities = predict(make_splits())
    assert probabilities.shape == (40, 2)
    assert np.allclose(probabilities.sum(axis=1), 1)


def test_neither_validation_nor_test_faces_are_read() -> None:
    splits = make_splits()
    none = splits.test.take(np.arange(0))
    without = replace(splits, validation=none, test=none)
    assert SETTINGS.hash_with(without) == SETTINGS.hash_with(splits)
    assert np.array_equal(predict(splits), predict(without, "others"))


def test_folds_have_the_class_shares_and_keep_near_duplicates_together() -> None:
    groups = np.arange(50) % 40
    folds = assign_folds(groups % 2, groups, CLASSES, CrossValidation(5, 1, 0))
    assert np.array_equal(folds[:10], folds[40:])
    counts = [np.bincount(groups[folds == fold] % 2, minlength=2) for fold in range(5)]
    assert np.ptp(counts) <= 2


def test_a_face_and_its_mirror_image_are_held_out_together(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    splits, given = make_splits(), list[NDArray[np.int64]]()
    images = splits.train.images
    images[1::2] = images[::2, :, ::-1]

    def stop(_: object, groups: NDArray[np.int64], *__: object) -> None:
        given.append(groups)
        raise KeyboardInterrupt

    monkeypatch.setattr(out_of_fold, "assign_folds", stop)
    with pytest.raises(KeyboardInterrupt):
        predict(splits)
    (groups,) = given
    assert np.array_equal(groups[::2], groups[1::2])
    assert len(np.unique(groups)) == 20


def test_the_folds_differ_from_seed_to_seed_only() -> None:
    faces = np.arange(40)
    first, again, other = (
        assign_folds(faces % 2, faces, CLASSES, CrossValidation(5, 1, seed)) for seed in (0, 0, 1)
    )
    assert np.array_equal(first, again)
    assert not np.array_equal(first, other)


@pytest.mark.parametrize(
    ("kept", "message"),
    [
        (4, r"bright has 2 distinct training faces .*, too few for 3 folds; give --folds 2"),
        (2, r"bright has 1 distinct training face .*, too few for 3 folds; add faces"),
    ],
)
def test_a_class_of_fewer_distinct_faces_than_folds_is_refused(kept: int, message: str) -> None:
    # All dark faces, and the first of the bright ones, three times.
    groups = np.concatenate([np.arange(0, 40, 2), *[np.arange(1, kept, 2)] * 3])
    with pytest.raises(UserError, match=message):
        assign_folds(groups % 2, groups, CLASSES, CrossValidation(3, 1, 0))


@pytest.mark.parametrize("epochs_before", [1, 2, 3])
def test_a_stopped_run_continues_after_its_last_epoch_to_the_same_result(
    epochs_before: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    splits, trained = make_splits(), list[int]()
    save_state = checkpoint.save_state

    def save_and_stop(state: TrainState, folder: DiskDirectory) -> None:
        save_state(state, folder)
        trained.append(state.epochs_done)
        if len(trained) == epochs_before:
            raise KeyboardInterrupt

    monkeypatch.setattr(checkpoint, "save_state", save_and_stop)
    with pytest.raises(KeyboardInterrupt):
        predict(splits)
    continued = predict(splits)
    assert trained == [1, 2, 1, 2]
    assert np.array_equal(continued, predict(splits, "fresh"))


def test_other_labels_epochs_or_folds_do_not_continue_a_stopped_run() -> None:
    splits = make_splits()
    other = replace(splits, train=replace(splits.train, labels=splits.train.labels[::-1].copy()))
    names = [
        SETTINGS.hash_with(splits),
        SETTINGS.hash_with(other),
        replace(SETTINGS, epochs=3).hash_with(splits),
        replace(SETTINGS, folds=3).hash_with(splits),
        replace(SETTINGS, seed=1).hash_with(splits),
    ]
    assert len(set(names)) == len(names)


def test_a_network_that_diverges_is_an_error_with_advice(monkeypatch: pytest.MonkeyPatch) -> None:
    def diverge(*_: object) -> None:
        raise Diverged("the training loss became nan in epoch 1")

    monkeypatch.setattr(checkpoint, "fit", diverge)
    with pytest.raises(UserError, match=r"fold 1 of 2: the training loss became nan .* --seed"):
        predict(make_splits())
