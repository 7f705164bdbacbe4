import pytest
import torch

from fer_tune.data.trial_data import TrialData
from fer_tune.model import FerNet
from fer_tune.trial import training_loop
from fer_tune.trial.training_loop import DeviceData, evaluate_model
from fer_tune.trial_config import TrialConfig


def test_how_evaluation_is_batched_does_not_change_the_scores(
    config: TrialConfig, faces: TrialData, cpu: torch.device, monkeypatch: pytest.MonkeyPatch
) -> None:
    torch.manual_seed(0)
    model = FerNet(config, 4)
    held = DeviceData.from_faces(faces.training.faces, cpu)
    at_once = evaluate_model(model, held, 4)
    monkeypatch.setattr(training_loop, "EVALUATION_BATCH", 16)  # the last has one face
    in_parts = evaluate_model(model, held, 4)
    assert at_once.confusion.tolist() == in_parts.confusion.tolist()
    assert at_once.loss == pytest.approx(in_parts.loss, rel=1e-3)
