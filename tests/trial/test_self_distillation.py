import pytest
import torch
from torch import Tensor
from torch.nn import functional

from fer_tune.data.trial_data import TrialFaces
from fer_tune.model import FerNet
from fer_tune.trial.self_distillation import distilled
from fer_tune.trial.train_state import State, Task, weights
from fer_tune.trial.training_loop import fit
from fer_tune.trial_config import TrialConfig
from tests.trial.fresh import CPU, fresh

IMAGES = torch.rand(4, 1, 48, 48, generator=torch.Generator().manual_seed(0))
LABELS = torch.tensor([0, 1, 2, 3])


def half_way(config: TrialConfig, faces: TrialFaces, part: float) -> tuple[Task, State]:
    """A trial of four epochs after its second, whose two networks are sure of different classes."""
    changed = config.model_copy(update={"self_distillation": part, "averaging": 0.5})
    task = Task(changed, epochs=4, seed=0)
    state = fresh(task, faces)
    epoch = fit(task, state, faces, CPU)
    next(epoch), next(epoch)
    for network, favourite in ((state.model, 0), (state.scored, 1)):
        with torch.no_grad():
            network.state_dict()["head.7.bias"][favourite] += 3
            network.state_dict()["head.7.weight"].mul_(5)
    return task, state


def predicted(network: FerNet) -> Tensor:
    with torch.no_grad():
        logits: Tensor = network.fused()(IMAGES)
    return logits.softmax(1)


@pytest.mark.parametrize("labels", [LABELS, functional.one_hot(LABELS, 4) * 0.9 + 0.025])
def test_half_way_half_of_the_part_is_what_the_scored_network_predicts(
    config: TrialConfig, faces: TrialFaces, labels: Tensor
) -> None:
    task, state = half_way(config, faces, part=0.8)
    shares = functional.one_hot(labels, 4) if labels.ndim == 1 else labels
    expected = 0.6 * shares + 0.4 * predicted(state.scored)
    wrong = 0.6 * shares + 0.4 * predicted(state.model)
    assert (expected - wrong).abs().max() > 0.1
    torch.testing.assert_close(distilled(labels, IMAGES, task, state), expected, atol=0.01, rtol=0)


def test_no_part_leaves_the_labels_as_they_are(config: TrialConfig, faces: TrialFaces) -> None:
    assert distilled(LABELS, IMAGES, *half_way(config, faces, part=0)) is LABELS


@pytest.mark.parametrize("averaging", [0, 1])
def test_a_training_believes_its_network_from_the_second_epoch_on(
    config: TrialConfig, faces: TrialFaces, averaging: float
) -> None:
    after = []
    for part in (0.0, 0.9):
        changed = config.model_copy(update={"self_distillation": part, "averaging": averaging})
        task = Task(changed, epochs=2, seed=0)
        state = fresh(task, faces)
        after.append([weights(state.model)["head.7.weight"] for _ in fit(task, state, faces, CPU)])
    (first, second), (first_too, other) = after
    assert torch.equal(first, first_too)
    assert not torch.equal(second, other)


def test_asking_the_network_changes_neither_its_statistics_nor_its_mode(
    config: TrialConfig, faces: TrialFaces
) -> None:
    task = Task(config.model_copy(update={"self_distillation": 1.0}), epochs=2, seed=0)
    state = fresh(task, faces)
    next(fit(task, state, faces, CPU))
    state.model.train()
    before = weights(state.model)
    labels = distilled(LABELS, IMAGES, task, state)
    assert all(module.training for module in state.model.modules())
    assert not labels.requires_grad
    after = weights(state.model)
    assert all(torch.equal(before[name], after[name]) for name in before)
