from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from fer_tune.data.demo.demo_splits import draw_demo_splits
from fer_tune.data.faces import SIDE, Faces, Splits
from fer_tune.report.load_study import ReportedStudy
from fer_tune.report.page import render_report
from fer_tune.report.training_steps import (
    count_training_steps,
    get_faces_by_plan,
    has_equal_classes,
)
from fer_tune.study.records.study_storage import StudyStorage
from fer_tune.study.records.trial_record import TrialRecord

Trial = Callable[..., TrialRecord]
Study = Callable[..., ReportedStudy]


def _split(counts: Sequence[int]) -> Splits:
    labels = np.repeat(np.arange(len(counts)), counts)
    faces = Faces(np.zeros((len(labels), SIDE, SIDE), dtype=np.uint8), labels)
    names = tuple(f"class {number}" for number in range(len(counts)))
    return Splits(names, faces, faces, faces, "faces", "Some train.")


def test_steps_of_an_earlier_version_are_counted_from_the_faces(trial: Trial, study: Study) -> None:
    reported = study(trial(0, 20), trial(1, 20, data_plan="balanced", batch_size=64))
    assert get_faces_by_plan(reported) == {}
    counted = count_training_steps(reported, _split([300, 90]))
    assert get_faces_by_plan(counted) == {
        "original": 390,
        "balanced": 1980,
        "oversampled": 600,
        "sqrt_sampler": 390,
    }
    assert [each.steps_per_epoch for each in counted.trials] == [4, 31]


def test_steps_are_counted_from_the_sample_of_the_study(trial: Trial, study: Study) -> None:
    reported = study(trial(0, 20, batch_size=10))
    settings = {**reported.run.settings, "train_faces": "130"}
    reported = replace(reported, run=replace(reported.run, settings=settings))
    (counted,) = count_training_steps(reported, _split([300, 90])).trials
    assert (counted.faces_per_epoch, counted.steps_per_epoch) == (130, 13)


def test_recorded_steps_are_kept(trial: Trial, study: Study) -> None:
    recorded = trial(0, 20)
    recorded.faces_per_epoch, recorded.steps_per_epoch = 390, 3  # of another rule for batches
    reported = study(recorded)
    assert get_faces_by_plan(reported) == {"original": 390}
    assert count_training_steps(reported, _split([300, 90])).trials[0].steps_per_epoch == 3


@pytest.mark.parametrize(
    ("counts", "is_equal"),
    [
        ([100] * 7, True),
        ([98, 101, 100, 100], True),
        ([400, 40], False),
        ([100] * 19 + [50], False),  # oversampled adds little, but balanced drops half
        ([100] * 9 + [200], False),
    ],
)
def test_equal_classes_are_known_from_the_faces_of_an_epoch(
    trial: Trial, study: Study, counts: list[int], is_equal: bool
) -> None:
    counted = count_training_steps(study(trial(0, 20)), _split(counts))
    assert has_equal_classes(get_faces_by_plan(counted)) is is_equal


def test_equal_classes_are_unknown_without_a_plan_that_shows_them() -> None:
    assert not has_equal_classes({})
    assert not has_equal_classes({"original": 700, "sqrt_sampler": 700})
    assert not has_equal_classes({"balanced": 7700})
    assert has_equal_classes({"original": 700, "balanced": 7700})
    assert has_equal_classes({"original": 700, "oversampled": 710})


def test_a_sample_of_the_training_faces_stands_wherever_their_number_does(
    trial: Trial, study: Study, tmp_path: Path
) -> None:
    reported = study(trial(0, 20))
    settings = {**reported.run.settings, "train_faces": "210"}
    sampled = replace(reported, run=replace(reported.run, settings=settings))
    storage, splits = StudyStorage(str(tmp_path)), draw_demo_splits()
    total = f"{len(splits.train):,}"
    page = render_report(sampled, storage, splits)
    assert f"Trained on 210 of {total} training faces of demo faces" in page
    assert f"train (210 of {total} faces)" in page
    assert f"With --train-faces, 210 of {total} train" in page
    assert f"Trained on {total} training faces of demo faces" in render_report(
        reported, storage, splits
    )
