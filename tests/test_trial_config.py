import math

import pytest
from pydantic import ValidationError

from fer_tune.trial_config import BASELINE, TrialConfig


def test_the_default_configuration_is_the_baseline() -> None:
    assert TrialConfig() == BASELINE
    assert BASELINE.model_dump() == {
        "depth": 3,
        "width": 32,
        "convolutions": 1,
        "residual": False,
        "head": "hidden",
        "hidden_1": 512,
        "hidden_2": 256,
        "dropout": 0.25,
        "optimizer": "adamw",
        "learning_rate": 1e-4,
        "batch_size": 128,
        "weight_decay": 0.0,
        "label_smoothing": 0.0,
        "augmentation": 0.0,
        "mixup": 0.0,
        "averaging": 0.0,
        "self_distillation": 0.0,
        "schedule": "constant",
        "data_plan": "original",
        "labels": "given",
        "suspect_share": 0.1,
    }


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("learning_rate", 0),
        ("learning_rate", 1.1),
        ("learning_rate", math.nan),
        ("batch_size", 1),
        ("weight_decay", -1),
        ("weight_decay", math.inf),
        ("label_smoothing", 1),
        ("augmentation", 1.1),
        ("mixup", -0.1),
        ("averaging", -1),
        ("self_distillation", 1.1),
        ("optimizer", "lion"),
        ("schedule", "linear"),
        ("data_plan", "smote"),
        ("labels", "guessed"),
        ("suspect_share", -0.1),
        ("suspect_share", 0.6),
        ("momentum", 0.9),
    ],
)
def test_a_setting_out_of_range_or_unknown_is_refused_by_name(name: str, value: object) -> None:
    with pytest.raises(ValidationError, match=name):
        TrialConfig.model_validate({name: value})


def test_a_configuration_read_back_from_text_is_the_same() -> None:
    """MLflow keeps parameters as text."""
    config = TrialConfig(depth=2, learning_rate=0.00123, schedule="onecycle")
    text = {name: str(value) for name, value in config.model_dump().items()}
    assert TrialConfig.model_validate(text) == config


def test_a_configuration_does_not_change_under_a_running_trial() -> None:
    with pytest.raises(ValidationError, match="frozen"):
        BASELINE.depth = 5  # type: ignore[misc]
