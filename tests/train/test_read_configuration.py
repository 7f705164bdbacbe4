from argparse import Namespace
from pathlib import Path

import pytest

from fer_tune.common.errors import UserError
from fer_tune.train.read_configuration import build_space, read_configuration
from fer_tune.trial_config import BASELINE, TrialConfig


def _read(*values: str, config: Path | None = None) -> TrialConfig:
    return read_configuration(Namespace(set=list(values), config=config, origin=None))


def test_what_is_not_set_is_the_baselines() -> None:
    assert _read() == BASELINE
    changed = _read("learning_rate=3e-4", "depth=4", "residual=true", "schedule=cosine")
    assert changed == BASELINE.model_copy(
        update={"learning_rate": 3e-4, "depth": 4, "residual": True, "schedule": "cosine"}
    )


def test_a_value_on_the_command_line_overrules_the_files(tmp_path: Path) -> None:
    file = tmp_path / "trial.yaml"
    file.write_text("depth: 4\ndropout: 0\n")
    config = _read("depth=5", config=file)
    assert (config.depth, config.dropout) == (5, 0)
    file.write_text("depth: 4\nwidht: 8\n")
    with pytest.raises(UserError, match=r"trial\.yaml: widht: unknown .*; did you mean width\?"):
        _read(config=file)
    file.write_text("- depth")
    with pytest.raises(UserError, match="needs lines such as"):
        _read(config=file)


@pytest.mark.parametrize("values", [[], ["depth=4", "data_plan=balanced", "mixup=0.2"]])
def test_the_space_of_a_training_contains_the_baseline_and_the_trial(values: list[str]) -> None:
    config = _read(*values)
    space = build_space(config)
    assert space.contains_config(BASELINE)
    assert space.contains_config(config)
    assert len(space.list_first_points()) == (2 if values else 1)
