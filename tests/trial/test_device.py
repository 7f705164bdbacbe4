import pytest
import torch

from fer_tune.trial.device import pick_device, use_autocast


def test_without_a_gpu_a_trial_computes_on_the_cpu(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    assert pick_device() == torch.device("cpu")


@pytest.mark.parametrize(
    ("capabilities", "dtype"),
    [
        ({"avx512_f": True, "avx512_bf16": True}, torch.bfloat16),
        ({"amx_bf16": True}, torch.bfloat16),
        ({"avx512_f": True, "avx512_bf16": False, "amx_bf16": False}, torch.float32),
        ({"neon": True}, torch.float32),
    ],
)
def test_bfloat16_is_used_only_if_the_processor_multiplies_it(
    monkeypatch: pytest.MonkeyPatch,
    cpu: torch.device,
    capabilities: dict[str, bool],
    dtype: torch.dtype,
) -> None:
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: capabilities)
    with use_autocast(cpu):
        product = torch.ones(2, 2) @ torch.ones(2, 2)
    assert product.dtype == dtype


@pytest.fixture
def caps(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """Return the fractions given to torch on a machine with a GPU; torch takes floats only."""
    fractions: list[float] = []
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "set_per_process_memory_fraction", fractions.append)
    return fractions


@pytest.mark.parametrize(("share", "cap"), [(0.25, 0.25), (1, 1), (2, 1)])
def test_a_trial_on_a_part_of_a_gpu_is_held_to_its_part_of_the_memory(
    caps: list[float], share: float, cap: float
) -> None:
    assert pick_device(share) == torch.device("cuda")
    assert caps == [cap]
    assert isinstance(caps[0], float)


def test_by_default_a_process_has_the_whole_gpu(caps: list[float]) -> None:
    assert pick_device() == torch.device("cuda")
    assert caps == [1]
    assert isinstance(caps[0], float)


def test_a_trial_that_is_to_have_no_gpu_computes_on_the_cpu_of_a_machine_with_one(
    caps: list[float],
) -> None:
    assert pick_device(0) == torch.device("cpu")
    assert caps == []
