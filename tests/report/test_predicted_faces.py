from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch

from fer_tune.common.disk_or_bucket import open_directory
from fer_tune.data.demo.demo_splits import draw_demo_splits
from fer_tune.report.load_study import ReportedStudy
from fer_tune.report.predicted_faces import (
    build_face_sheets,
    predict_validation,
    sample_per_class,
)
from fer_tune.study.records.trial_record import TrialRecord
from fer_tune.trial import checkpoint
from fer_tune.trial.device import pick_device
from fer_tune.trial.train_state import TrialSpec, copy_weights, init_state
from fer_tune.trial.training_loop import DeviceData, predict_classes

SMALL = {"depth": 2, "width": 4, "hidden_1": 16, "hidden_2": 16, "schedule": "onecycle"}


def test_a_sheet_has_as_many_faces_of_each_class_as_there_are_up_to_four() -> None:
    labels = np.array([0] * 10 + [1] * 3 + [2] * 10)
    chosen = labels[sample_per_class(labels, 3)]
    assert np.bincount(chosen).tolist() == [4, 3, 4]


def test_many_classes_do_not_make_a_long_sheet() -> None:
    assert len(sample_per_class(np.arange(200).repeat(2), 200)) == 40


def test_faces_are_predicted_with_the_weights_of_the_best_epoch(
    trial: Callable[..., TrialRecord], study: Callable[..., ReportedStudy], tmp_path: Path
) -> None:
    validation = draw_demo_splits().validation
    reported = study(trial(0, 20, **SMALL))
    device = pick_device()
    state = init_state(TrialSpec(reported.trials[0].config, 15, seed=1), 300, 7, device)
    state.best_weights = copy_weights(state.model)
    with torch.no_grad():  # a later epoch, worse
        for parameter in state.model.parameters():
            parameter.zero_()
    checkpoint.save_state(state, open_directory(str(tmp_path)))
    chances = predict_validation(reported, validation, open_directory(str(tmp_path)))
    state.model.load_state_dict(state.best_weights)
    predicted = predict_classes(state.model, DeviceData.from_faces(validation, device)).predicted
    assert chances.sum(axis=1) == pytest.approx(1, abs=1e-5)
    assert chances.argmax(axis=1).tolist() == predicted.tolist()

    shown, wrong = build_face_sheets(reported, validation, open_directory(str(tmp_path)))
    assert len(shown.faces) == 28
    assert not any(face.is_correct for face in wrong.faces)
    assert all(face.name.startswith("demo/validation/") for face in (*shown.faces, *wrong.faces))
    assert all(face.image.startswith("data:image/png;base64,") for face in shown.faces)
