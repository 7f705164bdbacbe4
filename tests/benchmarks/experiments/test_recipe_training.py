from dataclasses import replace

import numpy as np
import pytest
import torch

from benchmarks.experiments.recipe_training import RecipeTraining
from benchmarks.experiments.recipes import RECIPES, Recipe, list_muon_weights
from fer_tune.data.faces import Faces
from fer_tune.data.resampling import apply_data_plan
from fer_tune.data.trial_data import TrialData
from fer_tune.model import FerNet
from fer_tune.scoring.metrics import EpochResult
from fer_tune.trial.train_state import TrialSpec
from fer_tune.trial.training_loop import fit
from tests.trial.fresh import CPU, fresh

pytestmark = pytest.mark.usefixtures("one_thread")

SMALL = {"width": 4, "batch_size": 32}


@pytest.fixture(scope="module")
def faces() -> TrialData:
    """Noise in three classes."""
    rng = np.random.default_rng(0)
    images = rng.integers(0, 256, (48, 48, 48), dtype=np.uint8)
    train = Faces(images, np.arange(48) % 3)
    sample = train.take(np.arange(12))
    return TrialData(apply_data_plan("sqrt_sampler", train, 0), sample, sample, ("a", "b", "c"))


def train(recipe: Recipe, faces: TrialData, epochs: int = 2) -> tuple[list[EpochResult], int]:
    recipe = replace(recipe, config={**recipe.config, **SMALL})
    training = RecipeTraining(TrialSpec(recipe.make_config(), epochs, 0), recipe, faces)
    return list(training.run(faces)), training.multiply_adds


def test_a_recipe_without_changes_trains_as_fer_tune_does(faces: TrialData) -> None:
    ours, _ = train(Recipe(), faces)
    spec = TrialSpec(Recipe(config=SMALL).make_config(), 2, 0)
    theirs = list(fit(spec, fresh(spec, faces), faces, CPU))
    assert [result.metrics for result in ours] == [result.metrics for result in theirs]


@pytest.mark.parametrize("name", RECIPES)
def test_every_recipe_trains(name: str, faces: TrialData) -> None:
    history, multiply_adds = train(RECIPES[name], faces)
    assert len(history) == 2
    assert multiply_adds > 0


@pytest.mark.parametrize("name", ["pooling first", "half of the epochs small", "memory .6"])
def test_a_cheaper_recipe_has_fewer_multiply_adds(name: str, faces: TrialData) -> None:
    assert train(RECIPES[name], faces)[1] < train(RECIPES["as long"], faces)[1]


def test_muon_moves_the_kernels_themselves() -> None:
    model = FerNet(Recipe(config=SMALL).make_config(), 7).to(memory_format=torch.channels_last)
    matrix = list_muon_weights(model)[0]
    model(torch.rand(2, 1, 48, 48)).sum().backward()
    kernel = model.get_parameter("features.0.further.0.weight")
    assert kernel.grad is None
    assert matrix.grad is not None
    with torch.no_grad():
        matrix.add_(matrix.grad)
    assert torch.equal(kernel.permute(0, 2, 3, 1).flatten(1), matrix)
