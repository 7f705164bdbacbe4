from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from fer_tune.common.safe_text import pluralize
from fer_tune.data.demo.demo_splits import draw_demo_splits
from fer_tune.data.duplicates import has_duplicate
from fer_tune.data.faces import EMOTIONS, Splits
from fer_tune.data.subsample import draw_stratified_sample
from fer_tune.report.load_study import ReportedStudy
from fer_tune.report.page import render_report
from fer_tune.report.test_set import TITLE, build_test_section
from fer_tune.scoring.evaluation import Evaluation
from fer_tune.scoring.predictions import Predictions
from fer_tune.scoring.significance import McNemarResult
from fer_tune.study.records.study_storage import StudyStorage
from fer_tune.study.records.trial_record import TrialRecord
from fer_tune.tracking.tested_retraining import TestedModel, TestedRetraining


@pytest.fixture
def splits() -> Splits:
    return draw_demo_splits()


@pytest.fixture
def tested(splits: Splits) -> TestedRetraining:
    def model(seed: int, version: int) -> TestedModel:
        probabilities = np.random.default_rng(seed).dirichlet([1] * 7, len(splits.test))
        predictions = Predictions.from_probabilities(
            splits.test.labels, probabilities, names=splits.test.names
        )
        metrics = {"test/accuracy": 0.15, "test/calibration_error_before": 0.25}
        test = Evaluation(EMOTIONS, predictions)
        return TestedModel(f"seed {seed}", version, metrics, {}, test)

    comparisons = {"paper": McNemarResult(40, 30, 0.28), "champion": McNemarResult(9, 1, 0.02)}
    return TestedRetraining(4, [model(0, 0), model(1, 7)], comparisons)


def test_the_registered_model_is_described_with_all_seeds_tests_and_mistakes(
    tested: TestedRetraining, splits: Splits
) -> None:
    section = build_test_section(tested, splits)
    models, classes = section.tables
    assert [row[0] for row in models.rows] == ["seed 0", "seed 1 (registered)"]
    assert models.rows[0][1:] == ["0.150", "-", "-", "0.250", "-"]
    assert [row[0] for row in classes.rows] == [*EMOTIONS, "macro mean"]
    assert "Expected calibration error" in section.summary
    text = " ".join(section.findings)
    assert "those of seed 1 in the table, which was trained like trial 004." in text
    assert "Against the baseline, trained in the same way, it is not significantly" in text
    assert "Against the champion at that time, it is better (9 faces" in text
    (sheet,) = section.sheets
    assert sheet.faces[0].name.startswith("demo/test/")
    assert not any(face.is_correct for face in sheet.faces)
    assert len(section.pictures) == 2


@pytest.mark.parametrize(("params", "count"), [({}, 2), ({"train_faces": "100"}, 1)])
def test_duplicates_of_faces_that_the_model_trained_on_are_left_out(
    params: dict[str, str], count: int, tested: TestedRetraining, splits: Splits
) -> None:
    sample = draw_stratified_sample(splits.train, 100, 0).images
    is_in_sample = has_duplicate(splits.train.images, sample)
    images = splits.test.images.copy()
    images[0] = sample[0]
    images[1] = splits.train.images[~is_in_sample][0]
    images[2] = sample[0][:, ::-1]
    leaking = replace(splits, test=replace(splits.test, images=images))
    object.__setattr__(tested.registered, "params", params)
    section = build_test_section(tested, leaking)
    assert f"Without {pluralize(count, 'exact duplicate')} of training" in section.findings[0]
    assert "near-duplicates of training faces, exact ones included: " in section.findings[1]


def test_without_the_faces_the_section_has_scores_only(tested: TestedRetraining) -> None:
    section = build_test_section(tested, None)
    assert not section.sheets
    assert len(section.tables) == 2


def test_the_page_of_a_study_has_the_section_once_it_is_retrained(
    trial: Callable[..., TrialRecord],
    study: Callable[..., ReportedStudy],
    tested: TestedRetraining,
    splits: Splits,
    tmp_path: Path,
) -> None:
    reported, storage = study(trial(0, 20)), StudyStorage(str(tmp_path))
    assert TITLE not in render_report(reported, storage, splits)
    page = render_report(reported, storage, splits, tested=tested)
    assert f"{TITLE}</h2>" in page
    assert page.index("The best trial by class</h2>") < page.index(f"{TITLE}</h2>")
