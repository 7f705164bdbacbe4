"""Tests on a GPU. `make gpu-check` runs them too, where Ray and MLflow are missing.

So nothing here may import from the other tests.
"""

import pytest
import torch

from benchmarks.gpu_check.demo_faces import make_trial_data
from benchmarks.gpu_check.trial_speed import load_best_config
from fer_tune.data.trial_data import TrialData
from fer_tune.trial.device import pick_device
from fer_tune.trial_config import TrialConfig


@pytest.fixture(autouse=True)
def _gpu_is_there() -> None:
    if not torch.cuda.is_available():
        pytest.skip("no NVIDIA GPU")


@pytest.fixture
def gpu() -> torch.device:
    return pick_device()


@pytest.fixture(scope="session")
def faces() -> TrialData:
    """600 demo faces: five batches of 128, of which the last has 88 faces."""
    return make_trial_data(600, 600)


@pytest.fixture(params=["paper", "best"])
def config(request: pytest.FixtureRequest) -> TrialConfig:
    """The paper's configuration, and the best of `regularize`, which uses everything."""
    if request.param == "paper":
        return TrialConfig()
    # At its own rate, a few steps end wherever a rounding error leads them.
    return load_best_config()[0].model_copy(update={"batch_size": 128, "learning_rate": 1e-3})
