from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from fer_tune.data.audit import Leak, audit_splits
from fer_tune.data.duplicates import MAX_DISTANCE
from fer_tune.data.faces import SPLIT_NAMES, Faces, Splits
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
    images = np.random.default_rng(0).integers(0, 256, (2, 48, 48), dtype=np.uint8)
    apart = replace(splits, test=Faces(images, np.array([0, 1])))
    findings = audit_splits(apart).summarize_findings()
    assert "Leak from train to test: no exact duplicates." in findings
    assert "Leak from train to test: no near-duplicates." in findings


@pytest.fixture
def near_splits() -> Splits:
    """Noise: face 0 has near-duplicates and an exact one, face 1 a near one of another label."""
    noise = np.random.default_rng(0).integers(0, 256, (8, 48, 48), dtype=np.uint8)
    mirrored, brighter = noise[:, :, ::-1], noise // 2 + 90

    def build(*images: NDArray[np.uint8], labels: Sequence[int]) -> Faces:
        return Faces(np.stack(images), np.array(labels))

    return Splits(
        ("happy", "sad"),
        build(noise[0], mirrored[0], noise[1], noise[2], labels=[0, 0, 0, 1]),
        build(mirrored[1], noise[3], labels=[1, 0]),
        build(noise[0], brighter[0], mirrored[3], noise[4], labels=[0, 0, 0, 1]),
        "source",
        "protocol",
    )


def test_near_duplicates_are_counted_apart_from_exact_ones(near_splits: Splits) -> None:
    audit = audit_splits(near_splits)
    assert audit.near_redundant == {"train": 2, "validation": 0, "test": 2}
    assert audit.near_leaks == (
        Leak("train", "validation", faces=1, of=2, same_label=0),
        Leak("train", "test", faces=1, of=4, same_label=1),  # the other is an exact duplicate
        Leak("validation", "test", faces=1, of=4, same_label=1),
    )
    findings = audit.summarize_findings()
    assert "Near-duplicates inside a split: 2 in train, 2 in test." in findings
    leak = "1 of 4 test faces (25.0%) has a near-duplicate in train, 100% of them with the same"
    assert f"Leak from train to test: {leak} label." in findings


def test_pairs_are_of_different_groups_and_leaks_come_first(near_splits: Splits) -> None:
    pairs = audit_splits(near_splits).near_pairs
    assert [pair.kind for pair in pairs] == ["leaks, most certain"] * 3
    assert {pair.splits for pair in pairs} == {
        ("train", "validation"),
        ("train", "test"),
        ("validation", "test"),
    }
    for pair in pairs:
        ours = [near_splits[name] for name in pair.splits]
        assert pair.names == tuple(
            faces.names[place] for faces, place in zip(ours, pair.positions, strict=True)
        )
        assert pair.classes == tuple(
            near_splits.classes[faces.labels[place]]
            for faces, place in zip(ours, pair.positions, strict=True)
        )
        assert 0 <= pair.bits <= MAX_DISTANCE


def test_without_near_duplicates_there_are_no_pairs() -> None:
    noise = np.random.default_rng(1).integers(0, 256, (9, 48, 48), dtype=np.uint8)
    train, validation, test = (Faces(noise[n::3], np.arange(3) % 2) for n in range(3))
    audit = audit_splits(Splits(("happy", "sad"), train, validation, test, "source", "protocol"))
    assert audit.near_pairs == ()
    assert "Near-duplicates inside a split: none." in audit.summarize_findings()


def test_the_share_of_agreed_faces_is_by_class(splits: Splits) -> None:
    assert not any("People's votes" in line for line in audit_splits(splits).summarize_findings())
    votes = np.eye(len(splits.classes), dtype=np.float32)
    voted = {name: replace(splits[name], votes=votes[splits[name].labels]) for name in SPLIT_NAMES}
    own = voted["train"].votes
    assert own is not None
    own[splits.train.labels == 0] = votes[1]
    train, validation, test = (voted[name] for name in SPLIT_NAMES)
    audit = audit_splits(replace(splits, train=train, validation=validation, test=test))
    first, second = splits.classes[:2]
    assert audit.agreed["train"][first] == 0
    assert audit.agreed["train"][second] == audit.agreed["test"]["all"] == 1
    share = (splits.train.labels != 0).mean()
    line = f"People's votes: the given label alone has the most votes on {share:.1%} of the train"
    assert any(finding.startswith(line) for finding in audit.summarize_findings())


@pytest.mark.slow
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
    near = audit.near_leaks[1]
    assert (near.faces, round(near.same_label / near.faces, 2)) == (405, 0.86)
    assert (audit.blank["train"], audit.blank["test"]) == (12, 1)
    assert (round(audit.mean, 4), round(audit.deviation, 4)) == (0.5077, 0.2551)
