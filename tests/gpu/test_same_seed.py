from dataclasses import replace

import pytest
import torch

from benchmarks.gpu_check.short_training import train
from fer_tune.data.trial_data import TrialData
from fer_tune.scoring.metrics import EpochResult
from fer_tune.trial.train_state import TrialSpec
from fer_tune.trial_config import TrialConfig

pytestmark = pytest.mark.gpu


@pytest.mark.parametrize("graph", [False, True])
def test_two_trials_with_the_same_seed_have_the_same_numbers(
    config: TrialConfig, faces: TrialData, gpu: torch.device, graph: bool
) -> None:
    spec = TrialSpec(config, epochs=3, seed=7)
    first, second = (train(spec, faces, gpu, graph=graph) for _ in range(2))

    def remove_time(result: EpochResult) -> EpochResult:
        return replace(result, seconds=0.0)

    assert list(map(remove_time, first.history)) == list(map(remove_time, second.history))
    for name, weights in first.best_weights.items():
        assert torch.equal(weights, second.best_weights[name]), name
