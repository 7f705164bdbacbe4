from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from benchmarks import reference_trainable
from fer_tune.data.faces import Faces
from fer_tune.data.resampling import DATA_PLANS, DataPlan, apply_data_plan
from fer_tune.model import FerNet, count_parameters
from fer_tune.model_config import ModelConfig

COUNTS = {"angry": 9, "happy": 5, "sad": 2}


@pytest.fixture(scope="module")
def faces(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return class folders of noise images."""
    folder = tmp_path_factory.mktemp("faces")
    rng = np.random.default_rng(0)
    for name, count in COUNTS.items():
        (folder / name).mkdir()
        for index in range(count):
            noise = rng.integers(0, 256, (48, 48), dtype=np.uint8)
            Image.fromarray(noise).save(folder / name / f"{index}.png")
    return folder


@pytest.mark.parametrize("depth", [1, 3, 5])
def test_the_network_is_ours_except_for_biases_of_convolutions(depth: int) -> None:
    ours = FerNet(ModelConfig(depth=depth), 7)
    reference = reference_trainable.build_network(depth, 0.25, 7)
    biases = sum(32 * 2**block for block in range(depth))
    assert count_parameters(reference) == count_parameters(ours) + biases


@pytest.mark.parametrize("plan", DATA_PLANS)
def test_epochs_have_as_many_faces_as_ours(faces: Path, plan: DataPlan) -> None:
    batches = reference_trainable.make_resampled_batches(
        reference_trainable.load_image_folder(faces), plan, batch_size=4, workers=0
    )
    labels = np.repeat(np.arange(len(COUNTS)), list(COUNTS.values()))
    ours = apply_data_plan(plan, Faces(np.zeros((len(labels), 48, 48), np.uint8), labels), seed=0)
    assert sum(len(truth) for _, truth in batches) == len(ours.faces)


def test_the_reference_learns_and_has_scores_by_class(faces: Path) -> None:
    torch.manual_seed(0)
    images = reference_trainable.load_image_folder(faces)
    model, device = reference_trainable.build_network(1, 0.0, len(COUNTS)), torch.device("cpu")
    batches = reference_trainable.make_resampled_batches(
        images, "original", batch_size=4, workers=0
    )
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-3)
    first, *_, last = (
        reference_trainable.train_epoch(model, batches, optimizer, device) for _ in range(8)
    )
    assert last < first
    metrics = reference_trainable.validate(
        model, reference_trainable.make_validation_batches(images, 8, workers=0), device
    )
    assert {"val_accuracy", "val_macro_f1", "val_recall_2"} <= metrics.keys()
