import pytest
import torch
from torch import Tensor
from torch.nn import functional

from fer_tune.model import FerNet
from fer_tune.training.config import TrialConfig
from fer_tune.training.faces import TrialFaces
from fer_tune.training.labels import distilled
from fer_tune.training.loop import fit
from fer_tune.training.state import State, Task, fresh_state

CPU = torch.device("cpu")
IMAGES = torch.rand(5, 1, 48, 48)
LABELS = torch.tensor([0, 1, 2, 3, 0])


def half_way(config: TrialConfig, faces: TrialFaces, part: float) -> tuple[Task, State]:
    """A trial of four epochs after its second."""
    changed = config.model_copy(update={"self_distillation": part, "averaging": 0.5})
    task = Task(changed, epochs=4, seed=0)
    state = fresh_state(task, len(faces.training.faces), len(faces.classes), CPU)
    epoch = fit(task, state, faces, CPU)
    next(epoch), next(epoch)
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
    torch.testing.assert_close(distilled(labels, IMAGES, task, state), expected, atol=0.01, rtol=0)


def test_no_part_leaves_the_labels_as_they_are(config: TrialConfig, faces: TrialFaces) -> None:
    assert distilled(LABELS, IMAGES, *half_way(config, faces, part=0)) is LABELS


def test_asking_the_network_changes_neither_its_statistics_nor_its_mode(
    config: TrialConfig, faces: TrialFaces
) -> None:
    task = Task(config.model_copy(update={"self_distillation": 1.0}), epochs=2, seed=0)
    state = fresh_state(task, len(faces.training.faces), len(faces.classes), CPU)
    next(fit(task, state, faces, CPU))
    state.model.train()
    before = {name: tensor.clone() for name, tensor in state.model.state_dict().items()}
    labels = distilled(LABELS, IMAGES, task, state)
    assert state.model.training
    assert all(module.training for module in state.model.modules())
    assert not labels.requires_grad
    assert all(
        torch.equal(before[name], tensor) for name, tensor in state.model.state_dict().items()
    )
