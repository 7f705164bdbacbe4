from pathlib import Path

import pytest
import torch

from fer_tune.common.disk_or_bucket import DiskDirectory
from fer_tune.data.trial_data import TrialData
from fer_tune.trial import checkpoint
from fer_tune.trial.train_state import TrialSpec
from fer_tune.trial_config import TrialConfig
from tests.gpu.train_on_device import CPU, make_state, train

pytestmark = pytest.mark.gpu


@pytest.mark.parametrize("to_cpu", [True, False])
def test_a_checkpoint_of_one_device_resumes_on_the_other(
    config: TrialConfig, faces: TrialData, gpu: torch.device, tmp_path: Path, to_cpu: bool
) -> None:
    spec, folder = TrialSpec(config, epochs=3, seed=0), DiskDirectory(tmp_path)
    source, target = (gpu, CPU) if to_cpu else (CPU, gpu)
    checkpoint.save_state(train(spec, faces, source, until=1), folder)
    resumed = make_state(spec, faces, target)
    checkpoint.load_state(resumed, folder)
    train(spec, faces, target, state=resumed)
    whole = train(spec, faces, source)
    assert resumed.epochs_done == 3
    # The devices draw different random numbers for dropout and augmentation.
    last, expected = resumed.history[-1].metrics, whole.history[-1].metrics
    assert last["val/loss"] == pytest.approx(expected["val/loss"], rel=0.1)
    assert all(weights.device == CPU for weights in resumed.best_weights.values())
