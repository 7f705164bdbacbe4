from pathlib import Path

import numpy as np
import pytest

from fer_tune.data.audit import Leak, audit_splits
from fer_tune.data.faces import Faces, Splits
from fer_tune.data.load import load_splits


def faces(*drawn: tuple[int, int]) -> Faces:
    """Faces told apart by one pixel: (its grey, label). Grey 0 is a blank image."""
    images = np.zeros((len(drawn), 48, 48), np.uint8)
    images[:, :, 0] = np.array([grey for grey, _ in drawn])[:, None]
    return Faces(images, np.array([label for _, label in drawn], np.int64))


@pytest.fixture
def splits() -> Splits:
    train = faces((0, 0), (10, 0), (10, 0), (10, 1), (20, 1), (30, 1))
    validation = faces((20, 1), (40, 0), (50, 0))
    test = faces((10, 1), (20, 0), (40, 0), (60, 1))
    return Splits(("happy", "sad"), train, validation, test, "source", "protocol")


def test_leaks_are_counted_between_each_pair_of_splits(splits: Splits) -> None:
    assert audit_splits(splits).leaks == (
        Leak("train", "validation", faces=1, of=3, same_label=1),
        Leak("train", "test", faces=2, of=4, same_label=1),
        Leak("validation", "test", faces=2, of=4, same_label=1),
    )


def test_redundant_faces_and_conflicting_labels_are_counted(splits: Splits) -> None:
    found = audit_splits(splits)
    assert found.redundant == {"train": 2, "validation": 0, "test": 0}
    assert (found.conflict_groups, found.conflict_faces) == (2, 7)  # greys 10 and 20


def test_blank_images_are_counted(splits: Splits) -> None:
    assert audit_splits(splits).blank == {"train": 1, "validation": 0, "test": 0}


def test_mean_and_deviation_are_those_of_the_training_pixels(splits: Splits) -> None:
    found, pixels = audit_splits(splits), splits.train.images / 255
    assert found.mean == pytest.approx(pixels.mean())
    assert found.deviation == pytest.approx(pixels.std())


def test_findings_are_sentences(splits: Splits) -> None:
    told = audit_splits(splits).summarize_findings()
    assert "Leak from train to validation: 1 of 3 validation faces (33.3%) have" in told[2]
    assert all(sentence.endswith(".") for sentence in told)


def test_the_real_faces_have_the_twins_that_are_known_of_fer2013(real_faces: Path) -> None:
    splits = load_splits(real_faces)
    # Without PrivateTest, PublicTest tests and Training is train and validation together.
    images = np.concatenate([splits.train.images, splits.validation.images])
    labels = np.concatenate([splits.train.labels, splits.validation.labels])
    training = Faces(images, labels)
    found = audit_splits(Splits(splits.classes, training, splits.test, splits.test, "", ""))
    assert found.counts["train"].tolist() == [3995, 436, 4097, 7215, 4830, 3171, 4965]
    assert found.counts["test"].tolist() == [467, 56, 496, 895, 653, 415, 607]
    assert found.redundant["train"] == 1236
    leak = found.leaks[1]
    assert (leak.faces, leak.of, round(leak.same_label / leak.faces, 2)) == (280, 3589, 0.97)
    assert (found.blank["train"], found.blank["test"]) == (12, 1)
    assert (round(found.mean, 4), round(found.deviation, 4)) == (0.5077, 0.2551)
