from statistics import fmean
from unittest import mock

import pytest
import torch

from benchmarks.gpu_check.demo_faces import make_trial_data
from benchmarks.gpu_check.short_training import train
from fer_tune.trial import device
from fer_tune.trial.train_state import TrialSpec
from fer_tune.trial_config import TrialConfig

pytestmark = pytest.mark.gpu

SEEDS = range(3)


def test_bfloat16_learns_as_well_as_float32(gpu: torch.device) -> None:
    if not device.has_bfloat16(gpu):
        pytest.skip("this GPU has no bfloat16")
    # Each face 16 times an epoch: with fewer steps, the accuracy still jumps with each step.
    faces = make_trial_data(9_600, 600)
    config = TrialConfig(learning_rate=1e-3, schedule="onecycle")
    accuracies = []
    for has_bfloat16 in (True, False):
        with mock.patch.object(device, "has_bfloat16", return_value=has_bfloat16):
            states = [train(TrialSpec(config, 3, seed), faces, gpu) for seed in SEEDS]
        accuracies.append(fmean(state.history[-1].metrics["val/accuracy"] for state in states))
    assert accuracies[0] == pytest.approx(accuracies[1], abs=0.01)
