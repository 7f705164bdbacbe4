from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from fer_tune.data.audit import Leak, audit_splits
from fer_tune.data.faces import Faces, Splits
from fer_tune.data.load import load_splits


def faces(*drawn: tuple[int, int]) -> Faces:
    """Return faces that differ in one column, from pairs (its grey, label); grey 0 is blank."""
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
    audit = audit_splits(splits)
    assert audit.redundant == {"train": 2, "validation": 0, "test": 0}
    assert (audit.conflict_groups, audit.conflict_faces) == (2, 7)  # greys 10 and 20


def test_blank_images_are_counted(splits: Splits) -> None:
    assert audit_splits(splits).blank == {"train": 1, "validation": 0, "test": 0}


def test_mean_and_deviation_are_those_of_the_training_pixels(splits: Splits) -> None:
    audit, pixels = audit_splits(splits), splits.train.images / 255
    assert audit.mean == pytest.approx(pixels.mean())
    assert audit.deviation == pytest.approx(pixels.std())


def test_findings_are_sentences(splits: Splits) -> None:
    sentences = audit_splits(splits).summarize_findings()
    assert "Leak from train to validation: 1 of 3 validation faces (33.3%) has" in sentences[2]
    assert all(sentence.endswith(".") for sentence in sentences)


def test_splits_without_exact_duplicates_are_not_said_to_be_apart(splits: Splits) -> None:
    apart = replace(splits, test=faces((70, 0), (80, 1)))
    findings = audit_splits(apart).summarize_findings()
    assert "Leak from train to test: no exact duplicates." in findings
    assert "Near-duplicates, such as frames of one video, are not counted." in findings


def test_the_real_faces_have_the_duplicates_known_of_fer2013(real_faces: Path) -> None:
    splits = load_splits(real_faces)
    # Without PrivateTest, PublicTest tests and Training is train and validation together.
    images = np.concatenate([splits.train.images, splits.validation.images])
    labels = np.concatenate([splits.train.labels, splits.validation.labels])
    training = Faces(images, labels)
    audit = audit_splits(Splits(splits.classes, training, splits.test, splits.test, "", ""))
    assert audit.counts["train"].tolist() == [3995, 436, 4097, 7215, 4830, 3171, 4965]
    assert audit.counts["test"].tolist() == [467, 56, 496, 895, 653, 415, 607]
    assert audit.redundant["train"] == 1236
    leak = audit.leaks[1]
    assert (leak.faces, leak.of, round(leak.same_label / leak.faces, 2)) == (280, 3589, 0.97)
    assert (audit.blank["train"], audit.blank["test"]) == (12, 1)
    assert (round(audit.mean, 4), round(audit.deviation, 4)) == (0.5077, 0.2551)
