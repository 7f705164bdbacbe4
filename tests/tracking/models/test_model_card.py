from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from fer_tune.data.demo.demo_splits import draw_demo_splits
from fer_tune.data.faces import EMOTIONS, Faces, Splits
from fer_tune.model import FaceClassifier, FerNet
from fer_tune.model_config import ModelConfig, TtaName
from fer_tune.scoring.evaluation import Evaluation
from fer_tune.scoring.metrics import EpochResult
from fer_tune.scoring.predictions import Predictions
from fer_tune.tracking import tags
from fer_tune.tracking.models.model_card import describe_weaknesses, render_model_card
from fer_tune.tracking.queries import StudyRun, TrialRun
from fer_tune.tracking.study_and_retrain_info import RetrainInfo
from fer_tune.trial.model_cost import measure_cost
from fer_tune.trial.train_and_test import TrainedModel
from fer_tune.trial_config import BASELINE, TrialConfig

CLASSES = ("cat", "dog", "owl")


def _trained(
    best: EpochResult, names: Sequence[str], networks: int = 1, tta: TtaName = "none"
) -> Any:
    """Return a model that gives the class that it predicts a third of the probability.

    Of the 102 faces of each of seven classes, it recognizes 66.
    """
    classes = len(names)
    counts = np.diag([60] * classes) + 6
    config = ModelConfig(depth=1, width=4, hidden_1=8, hidden_2=8)
    members = [FerNet(config, classes) for _ in range(networks)]
    probabilities = np.full((classes, classes), 2 / 3 / (classes - 1))
    np.fill_diagonal(probabilities, 1 / 3)
    truth, predicted = np.repeat(np.indices(counts.shape).reshape(2, -1), counts.ravel(), axis=1)
    return TrainedModel(
        FaceClassifier(members, tta, temperature=2.0),
        best,
        Evaluation(names, Predictions.from_probabilities(truth, probabilities[predicted])),
    )


def _make_splits(classes: tuple[str, ...], protocol: str, *train: int) -> Splits:
    """Return splits with so many training faces of each class; 100 of each class test."""

    def make_faces(counts: Sequence[int]) -> Faces:
        images = np.zeros((sum(counts), 48, 48), np.uint8)
        return Faces(images, np.repeat(np.arange(len(classes)), counts))

    test = make_faces([100] * len(classes))
    return Splits(classes, make_faces(train), test, test, "faces.zip", protocol, ("A note.",))


def _weaknesses(*rows: list[int]) -> list[str]:
    return list(describe_weaknesses(Evaluation.from_confusion(CLASSES, rows)))


def test_confusions_are_listed_the_worst_first() -> None:
    assert _weaknesses([80, 20, 0], [40, 160, 0], [0, 150, 150]) == [
        "It takes 50% of the owl faces for dog (150 of 300).",
        "It takes 20% of the cat faces for dog (20 of 100).",
        "It takes 20% of the dog faces for cat (40 of 200).",
    ]


def test_a_class_that_is_never_predicted_is_listed() -> None:
    assert "It never predicts cat, owl." in _weaknesses([0, 200, 0], [0, 200, 0], [0, 200, 0])


def test_a_class_of_which_most_faces_are_missed_is_listed() -> None:
    listed = _weaknesses([40, 30, 130], [0, 200, 0], [0, 1, 199])
    assert "It recognizes fewer than half of the faces of cat (20%)." in listed


def test_classes_with_few_test_faces_are_listed() -> None:
    listed = _weaknesses([6, 0, 0], [0, 200, 0], [0, 0, 99])
    few = "The test split has few faces of cat (6), owl (99)"
    assert listed == [f"{few}: the scores of these classes are uncertain."]


def test_a_model_without_a_weakness_has_none_listed() -> None:
    assert _weaknesses([200, 0, 0], [0, 200, 0], [0, 0, 200]) == []


def test_the_card_describes_the_data_the_scores_the_weaknesses_and_the_use() -> None:
    marks = {
        "fer_tune.data": "faces.zip",
        "fer_tune.protocol": "Training trains.",
        "fer_tune.faces_sha256": "ab" * 32,
    }
    study = StudyRun("s", "1", "finished", "val/macro_f1", marks, {})
    trial = TrialRun(3, "2", "t", BASELINE, "finished", 5, {}, {})
    splits = _make_splits(EMOTIONS, "Training trains.", *range(7))
    what = RetrainInfo(study, trial, 5, splits, "python -m fer_tune.retrain")
    best = EpochResult(4, {"train/accuracy": 0.9, "val/accuracy": 0.6}, [])
    card = render_model_card(what, 2, _trained(best, EMOTIONS))
    headings = [line for line in card.splitlines() if line.startswith("#")]
    assert headings == [
        "# A model that names 7 facial expressions",
        "## Data",
        "## Test scores",
        "## Calibration",
        "## Known weaknesses",
        "## What it must not be used for",
        "## Cost",
        "## Training",
    ]
    for part in (
        "faces.zip. Training trains.",
        "A note.",
        "| disgust | 1 | 100 | 100 |",
        "accuracy 0.647 (0.6",
        "**Decisions about people.**",
        "epoch 4 of 5, the best by val/macro_f1",
        "learning_rate: 0.0001",
        "the expected calibration error is 0.314; without the temperature, it is 0.",
        "Its accuracy drops on new faces: 0.900 on the training split, 0.600 on the validation",
    ):
        assert part in " ".join(card.split())


def test_the_card_says_that_the_model_trained_on_more_faces_than_the_study() -> None:
    marks = {tags.SOURCE: "faces.zip", tags.FACES_HASH: "ab" * 32}
    marks[tags.PROTOCOL] = "210 train. With --train-faces, 70 of 210 train."
    study = StudyRun("s", "1", "finished", "val/macro_f1", marks, {"train_faces": "70"})
    trial = TrialRun(3, "2", "t", TrialConfig(data_plan="balanced"), "finished", 5, {}, {})
    classes = (*EMOTIONS, "contempt")
    splits = _make_splits(classes, "210 faces train.", 40, *[20] * 6, 50)
    info = RetrainInfo(study, trial, 5, splits, "retrain")
    best = EpochResult(4, {"train/accuracy": 0.9, "val/accuracy": 0.6}, [])
    card = " ".join(render_model_card(info, 2, _trained(best, classes)).split())
    assert "faces.zip. 210 faces train. SHA-256" in card
    assert "study s trained on 70 of 210 training faces. This training uses all 210." in card
    whole = replace(info, study=replace(study, settings={}))
    assert "70 of 210" not in render_model_card(whole, 2, _trained(best, classes))


def test_the_card_of_an_ensemble_says_what_is_averaged_and_what_that_costs() -> None:
    marks = {tags.SOURCE: "faces.zip", tags.PROTOCOL: "As drawn.", tags.FACES_HASH: "ab" * 32}
    study = StudyRun("s", "1", "finished", "val/macro_f1", marks, {})
    trial = TrialRun(3, "2", "t", BASELINE, "finished", 5, {}, {})
    info = RetrainInfo(study, trial, 5, draw_demo_splits(), "retrain")
    best = EpochResult(4, {"train/accuracy": 0.9, "val/accuracy": 0.6}, [])
    one, many = _trained(best, EMOTIONS), _trained(best, EMOTIONS, networks=3, tta="six")
    card = " ".join(render_model_card(info, None, many).split())
    for part in (
        "trained again for 5 epochs with 3 seeds",
        "It is the mean over 3 networks and 6 views of a face.",
        f"{measure_cost(many.model).multiply_adds / 1e6:,.1f} M multiply-adds",
        "Each network has the weights of its best epoch of 5 by val/macro_f1",
    ):
        assert part in card
    short = " ".join(render_model_card(replace(info, epochs=1), 0, one).split())
    assert "It is the mean over" not in short
    assert "trained again for 1 epoch with seed 0" in short
