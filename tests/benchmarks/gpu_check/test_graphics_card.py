from collections.abc import Callable
from importlib.util import find_spec

import pytest
import torch

from benchmarks.gpu_check import graphics_card
from benchmarks.gpu_check.graphics_card import require_gpu, require_packages
from fer_tune.common.errors import UserError

TOO_OLD = (
    "The NVIDIA driver on your system is too old (found version 11040). Please update your GPU "
    "driver by downloading and installing a new version."
)


def fail_with(error: Exception) -> Callable[[], None]:
    def fail() -> None:
        raise error

    return fail


@pytest.mark.parametrize(
    ("error", "advice"),
    [
        (RuntimeError("Found no NVIDIA driver on your system. Please"), "on a machine with"),
        (RuntimeError("No CUDA GPUs are available"), "on a machine with"),
        (RuntimeError(TOO_OLD), r"found version 11040\); update the driver"),
        (AssertionError("Torch not compiled with CUDA enabled"), "built for CUDA"),
    ],
)
def test_without_a_usable_gpu_one_line_says_why_and_what_to_do(
    monkeypatch: pytest.MonkeyPatch, error: Exception, advice: str
) -> None:
    monkeypatch.setattr(torch.cuda, "init", fail_with(error))
    with pytest.raises(UserError, match=f"no NVIDIA GPU can be used: .*{advice}") as caught:
        require_gpu()
    assert "\n" not in str(caught.value)


def test_a_full_gpu_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "init", lambda: None)
    monkeypatch.setattr(torch.cuda, "mem_get_info", lambda: (3_900_000_000, 16_000_000_000))
    with pytest.raises(UserError, match=r"3.9 of the GPU's 16.0 GB are free.*needs 4 GB; end what"):
        require_gpu()


def test_an_old_torch_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch, "__version__", "2.9.1+cu128")
    with pytest.raises(UserError, match=r"2\.9\.1\+cu128 is too old; install torch 2\.11 or newer"):
        require_packages()


@pytest.mark.parametrize(
    ("missing", "problem"), [("torch", "has no torch"), ("pydantic", "lacks pydantic")]
)
def test_missing_packages_are_named(
    monkeypatch: pytest.MonkeyPatch, missing: str, problem: str
) -> None:
    def find(name: str) -> object:
        return None if name == missing else find_spec(name)

    monkeypatch.setattr(graphics_card, "find_spec", find)
    with pytest.raises(UserError, match=problem):
        require_packages()


def test_the_packages_of_this_environment_are_enough() -> None:
    require_packages()
