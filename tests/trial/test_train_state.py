import math

import pytest
import torch

from fer_tune.trial.train_state import TrialSpec, copy_weights, init_state
from fer_tune.trial_config import LearningRateSchedule, TrialConfig


def rates(config: TrialConfig, epochs: int, faces: int) -> list[float]:
    """Return the learning rate of every step, and of one step more."""
    state = init_state(TrialSpec(config, epochs, seed=0), faces, 7, torch.device("cpu"))
    learning_rates = [state.optimizer.param_groups[0]["lr"]]
    for _ in range(epochs * math.ceil(faces / config.batch_size)):
        state.optimizer.step()
        state.schedule.step()
        learning_rates.append(state.optimizer.param_groups[0]["lr"])
    return learning_rates


def with_schedule(config: TrialConfig, schedule: LearningRateSchedule) -> TrialConfig:
    return config.model_copy(update={"schedule": schedule, "learning_rate": 0.1})


def test_the_constant_schedule_never_moves(config: TrialConfig) -> None:
    assert set(rates(with_schedule(config, "constant"), epochs=3, faces=33)) == {0.1}


def test_the_cosine_schedule_falls_to_zero_exactly_at_the_last_epochs_end(
    config: TrialConfig,
) -> None:
    learning_rates = rates(with_schedule(config, "cosine"), epochs=3, faces=33)
    assert learning_rates[0] == 0.1
    assert learning_rates == sorted(learning_rates, reverse=True)
    assert learning_rates[-2] > 0
    assert learning_rates[-1] == pytest.approx(0, abs=1e-12)


def test_the_one_cycle_schedule_peaks_at_the_learning_rate_and_ends_with_the_last_step(
    config: TrialConfig,
) -> None:
    learning_rates = rates(with_schedule(config, "onecycle"), epochs=10, faces=33)[:-1]
    assert max(learning_rates) == pytest.approx(0.1, rel=1e-3)
    assert learning_rates[0] == pytest.approx(0.1 / 25)
    assert learning_rates[-1] == min(learning_rates) == pytest.approx(0.1 / 25 / 1e4)


@pytest.mark.parametrize("faces", [1, 16, 17])
@pytest.mark.parametrize("schedule", ["constant", "cosine", "onecycle"])
def test_the_shortest_trial_has_a_schedule(
    config: TrialConfig, schedule: LearningRateSchedule, faces: int
) -> None:
    learning_rates = rates(with_schedule(config, schedule), epochs=1, faces=faces)
    assert all(0 <= rate <= 0.1 for rate in learning_rates)


def test_weight_decay_0_is_adam(config: TrialConfig, cpu: torch.device) -> None:
    steps = []
    for optimizer in (torch.optim.Adam, None):
        state = init_state(TrialSpec(config, 1, seed=0), 33, 7, cpu)
        used = optimizer(state.model.parameters(), lr=0.01) if optimizer else state.optimizer
        for parameter in state.model.parameters():
            parameter.grad = parameter.detach().sin()
        used.step()
        steps.append(copy_weights(state.model))
    for name, tensor in steps[0].items():
        torch.testing.assert_close(tensor, steps[1][name])


def test_sgd_looks_ahead_by_its_momentum(config: TrialConfig, cpu: torch.device) -> None:
    config = config.model_copy(update={"optimizer": "sgd", "weight_decay": 0.1})
    state = init_state(TrialSpec(config, 1, seed=0), 33, 7, cpu)
    weight = next(state.model.parameters())
    before = weight.detach().clone()
    weight.grad = torch.ones_like(weight)
    state.optimizer.step()
    gradient = 1 + 0.1 * before
    # In the first step, the momentum is the gradient.
    expected = before - config.learning_rate * (1 + 0.9) * gradient
    torch.testing.assert_close(weight.detach(), expected)


def test_the_seed_decides_the_first_weights(config: TrialConfig, cpu: torch.device) -> None:
    first, same, other = (
        copy_weights(init_state(TrialSpec(config, 1, seed), 33, 7, cpu).model)["head.1.weight"]
        for seed in (4, 4, 5)
    )
    assert torch.equal(first, same)
    assert not torch.equal(first, other)


def test_copied_weights_are_not_changed_by_training(config: TrialConfig, cpu: torch.device) -> None:
    model = init_state(TrialSpec(config, 1, seed=0), 33, 7, cpu).model
    copied = copy_weights(model)
    before = {name: tensor.clone() for name, tensor in copied.items()}
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(1)
    assert copied.keys() == model.state_dict().keys()
    assert all(torch.equal(copied[name], before[name]) for name in copied)
