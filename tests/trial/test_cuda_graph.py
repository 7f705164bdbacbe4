"""Without a GPU, a stand-in with the same side effects replaces the recording."""

from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn

from fer_tune.model import FerNet
from fer_tune.model_config import ModelConfig
from fer_tune.trial.cuda_graph import MIN_STEPS_TO_RECORD, make_training_forward

CUDA = torch.device("cuda")
Recording = list[Tensor]


@pytest.fixture
def model() -> FerNet:
    torch.manual_seed(0)
    return FerNet(ModelConfig(depth=2, width=4, hidden_1=8, hidden_2=8), classes=7)


@pytest.fixture
def recording(monkeypatch: pytest.MonkeyPatch) -> Recording:
    """The faces of all recorded passes."""
    seen: Recording = []

    def record(module: nn.Module, sample: tuple[Tensor, ...]) -> Callable[[Tensor], Tensor]:
        for _ in range(3):
            module(*sample)
        return lambda images: seen.append(images) or module(images)  # type: ignore[func-returns-value]

    zeros = torch.zeros
    monkeypatch.setattr(torch.cuda, "make_graphed_callables", record)
    monkeypatch.setattr(torch, "zeros", lambda *shape, **_: zeros(*shape))
    monkeypatch.setattr("fer_tune.trial.cuda_graph.use_autocast", lambda _: torch.autocast("cpu"))
    return seen


def faces(count: int) -> Tensor:
    return torch.rand(count, 1, 48, 48, generator=torch.Generator().manual_seed(count))


def test_on_the_cpu_nothing_is_recorded(model: FerNet, recording: Recording) -> None:
    logits = make_training_forward(model, 8, MIN_STEPS_TO_RECORD, torch.device("cpu"))(faces(8))
    assert logits.shape == (8, 7)
    assert logits.dtype == torch.float32
    assert not recording


def test_full_batches_of_a_long_trial_are_replayed_and_the_last_is_not(
    model: FerNet, recording: Recording
) -> None:
    forward = make_training_forward(model, 8, MIN_STEPS_TO_RECORD, CUDA)
    for count in (8, 8, 3):
        assert forward(faces(count)).shape == (count, 7)
    assert [len(images) for images in recording] == [8, 8]


def test_a_short_trial_is_not_recorded(model: FerNet, recording: Recording) -> None:
    make_training_forward(model, 8, MIN_STEPS_TO_RECORD - 1, CUDA)(faces(8))
    assert not recording


@pytest.mark.usefixtures("recording")
def test_recording_leaves_the_running_statistics_alone(model: FerNet) -> None:
    before = {name: buffer.clone() for name, buffer in model.named_buffers()}
    make_training_forward(model, 8, MIN_STEPS_TO_RECORD, CUDA)
    after = dict(model.named_buffers())
    assert all(torch.equal(after[name], before[name]) for name in before)
