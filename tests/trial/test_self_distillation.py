import pytest
import torch
from torch import Tensor
from torch.nn import functional

from fer_tune.data.trial_data import TrialData
from fer_tune.model import FerNet
from fer_tune.trial.self_distillation import distill_labels
from fer_tune.trial.train_state import TrainState, TrialSpec, copy_weights
from fer_tune.trial.training_loop import fit
from fer_tune.trial_config import TrialConfig
from tests.trial.fresh import CPU, fresh

IMAGES = torch.rand(4, 1, 48, 48, generator=torch.Generator().manual_seed(0))
LABELS = torch.tensor([0, 1, 2, 3])


def half_way(config: TrialConfig, faces: TrialData, part: float) -> tuple[TrialSpec, TrainState]:
    """A trial after two of four epochs, whose model and EMA predict different classes."""
    changed = config.model_copy(update={"self_distillation": part, "averaging": 0.5})
    task = TrialSpec(changed, epochs=4, seed=0)
    state = fresh(task, faces)
    epoch = fit(task, state, faces, CPU)
    next(epoch), next(epoch)
    for network, favourite in ((state.model, 0), (state.evaluated_model, 1)):
        with torch.no_grad():
            network.state_dict()["head.7.bias"][favourite] += 3
            network.state_dict()["head.7.weight"].mul_(5)
    return task, state


def predicted(network: FerNet) -> Tensor:
    with torch.no_grad():
        logits: Tensor = network.fuse_for_evaluation()(IMAGES)
    return logits.softmax(1)


@pytest.mark.parametrize("labels", [LABELS, functional.one_hot(LABELS, 4) * 0.9 + 0.025])
def test_half_way_half_of_the_part_is_what_the_scored_network_predicts(
    config: TrialConfig, faces: TrialData, labels: Tensor
) -> None:
    task, state = half_way(config, faces, part=0.8)
    shares = functional.one_hot(labels, 4) if labels.ndim == 1 else labels
    expected = 0.6 * shares + 0.4 * predicted(state.evaluated_model)
    wrong = 0.6 * shares + 0.4 * predicted(state.model)
    assert (expected - wrong).abs().max() > 0.1
    torch.testing.assert_close(
        distill_labels(labels, IMAGES, task, state), expected, atol=0.01, rtol=0
    )


def test_no_part_leaves_the_labels_as_they_are(config: TrialConfig, faces: TrialData) -> None:
    assert distill_labels(LABELS, IMAGES, *half_way(config, faces, part=0)) is LABELS


@pytest.mark.parametrize("averaging", [0, 1])
def test_a_training_believes_its_network_from_the_second_epoch_on(
    config: TrialConfig, faces: TrialData, averaging: float
) -> None:
    after = []
    for part in (0.0, 0.9):
        changed = config.model_copy(update={"self_distillation": part, "averaging": averaging})
        task = TrialSpec(changed, epochs=2, seed=0)
        state = fresh(task, faces)
        after.append(
            [copy_weights(state.model)["head.7.weight"] for _ in fit(task, state, faces, CPU)]
        )
    (first, second), (first_too, other) = after
    assert torch.equal(first, first_too)
    assert not torch.equal(second, other)


def test_asking_the_network_changes_neither_its_statistics_nor_its_mode(
    config: TrialConfig, faces: TrialData
) -> None:
    task = TrialSpec(config.model_copy(update={"self_distillation": 1.0}), epochs=2, seed=0)
    state = fresh(task, faces)
    next(fit(task, state, faces, CPU))
    state.model.train()
    before = copy_weights(state.model)
    labels = distill_labels(LABELS, IMAGES, task, state)
    assert all(module.training for module in state.model.modules())
    assert not labels.requires_grad
    after = copy_weights(state.model)
    assert all(torch.equal(before[name], after[name]) for name in before)
