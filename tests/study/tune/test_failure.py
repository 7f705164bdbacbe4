import pytest
import torch

from fer_tune.study.tune.failure import TrialFailure
from fer_tune.trial.gpu_errors import is_fatal_for_worker

GIVEN = {"gpus": 0.25}


@pytest.mark.parametrize(
    "error",
    [
        torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2 MiB"),
        torch.AcceleratorError("CUDA error: out of memory"),
        RuntimeError("GET was unable to find an engine to execute this computation"),
        RuntimeError("CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling `cublasCreate`"),
    ],
)
def test_every_message_about_too_little_gpu_memory_is_recognised(
    error: Exception,
) -> None:
    failure = TrialFailure.from_error(error)
    assert failure.is_retryable(GIVEN)
    assert "choose a smaller batch_size" in failure.last_line
    assert not is_fatal_for_worker(error)


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (ValueError("out of memory"), "error"),
        (RuntimeError("shapes differ"), "error"),
        (OSError("no space left"), "storage"),
    ],
)
def test_other_failures_are_not_retried(error: Exception, kind: str) -> None:
    failure = TrialFailure.from_error(error)
    assert failure.kind == kind
    assert not failure.is_retryable(GIVEN)
    assert not is_fatal_for_worker(error)


def test_a_broken_gpu_context_ends_its_process() -> None:
    assert is_fatal_for_worker(torch.AcceleratorError("CUDA error: an illegal memory access"))
