import pytest
import torch

from fer_tune.common.errors import UserError
from fer_tune.trial.gpu_errors import explain_out_of_memory


def test_too_little_memory_becomes_one_line_with_what_to_change() -> None:
    long = "CUDA out of memory. Tried to allocate 2 GiB.\nSee the documentation"
    advice = r"too little free memory.*smaller batch_size"
    with pytest.raises(UserError, match=advice) as caught, explain_out_of_memory():
        raise torch.OutOfMemoryError(long)
    assert "\n" not in str(caught.value)


def test_other_errors_stay_as_they_are() -> None:
    with pytest.raises(RuntimeError, match="shapes differ"), explain_out_of_memory():
        raise RuntimeError("shapes differ")
