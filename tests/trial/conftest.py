import numpy as np
import pytest
import torch

from fer_tune.data.faces import Faces
from fer_tune.data.resampling import TrainingFaces
from fer_tune.data.trial_data import TrialData
from fer_tune.trial_config import TrialConfig

CLASSES = ("happy", "sad", "surprise", "neutral")


@pytest.fixture(autouse=True, scope="module")
def _one_thread(one_thread: None) -> None:
    """Use one thread in all tests of this folder."""


@pytest.fixture
def cpu() -> torch.device:
    return torch.device("cpu")


@pytest.fixture
def config() -> TrialConfig:
    """A network that trains an epoch in milliseconds, with all randomness on."""
    return TrialConfig(
        depth=2,
        width=4,
        hidden_1=8,
        hidden_2=8,
        dropout=0.5,
        learning_rate=0.01,
        batch_size=16,
        augmentation=0.5,
    )


@pytest.fixture(scope="session")
def faces() -> TrialData:
    """Noise: 33 training faces, so that the last batch of 16 holds one face."""
    rng = np.random.default_rng(0)

    def noise(count: int) -> Faces:
        images = rng.integers(0, 256, (count, 48, 48), dtype=np.uint8)
        return Faces(images, np.arange(count) % len(CLASSES))

    train = noise(33)
    return TrialData(TrainingFaces(train), train.take(np.arange(12)), noise(13), CLASSES)
