from pathlib import Path

import pytest
import torch

from benchmarks.gpu_check.short_training import CPU, make_state, train
from fer_tune.common.disk_or_bucket import DiskDirectory
from fer_tune.data.trial_data import TrialData
from fer_tune.trial import checkpoint
from fer_tune.trial.train_state import TrainState, TrialSpec
from fer_tune.trial_config import TrialConfig

pytestmark = pytest.mark.gpu


def assert_same_weights(saved: TrainState, resumed: TrainState) -> None:
    """Compare the weights, their averages and the optimizer's statistics, value by value."""
    for one, other in zip(saved.model.parameters(), resumed.model.parameters(), strict=True):
        assert torch.equal(one.cpu(), other.cpu())
        own, loaded = saved.optimizer.state[one], resumed.optimizer.state[other]
        assert all(torch.equal(own[name].cpu(), loaded[name].cpu()) for name in own)
    evaluated = saved.evaluated_model.state_dict(), resumed.evaluated_model.state_dict()
    assert all(
        torch.equal(evaluated[0][name].cpu(), evaluated[1][name].cpu()) for name in evaluated[0]
    )


@pytest.mark.parametrize("to_cpu", [True, False])
def test_a_checkpoint_of_one_device_resumes_on_the_other(
    config: TrialConfig, faces: TrialData, gpu: torch.device, tmp_path: Path, to_cpu: bool
) -> None:
    spec, folder = TrialSpec(config, epochs=3, seed=0), DiskDirectory(tmp_path)
    source, target = (gpu, CPU) if to_cpu else (CPU, gpu)
    saved = train(spec, faces, source, until=1)
    checkpoint.save_state(saved, folder)
    resumed = make_state(spec, faces, target)
    checkpoint.load_state(resumed, folder)
    assert_same_weights(saved, resumed)
    train(spec, faces, target, state=resumed)
    whole = train(spec, faces, source)
    assert resumed.epochs_done == 3
    # The devices draw different random numbers for dropout and augmentation.
    last, expected = resumed.history[-1].metrics, whole.history[-1].metrics
    assert last["val/loss"] == pytest.approx(expected["val/loss"], rel=0.1)
    assert all(weights.device == CPU for weights in resumed.best_weights.values())
