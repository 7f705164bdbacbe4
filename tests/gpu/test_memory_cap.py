"""The memory that a fraction of a GPU may hold, in processes as Ray's workers are."""

from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context

import pytest
import torch

from benchmarks.gpu_check.demo_faces import make_trial_data
from benchmarks.gpu_check.short_training import allocate, train_with_share
from fer_tune.data.trial_data import TrialData
from fer_tune.trial_config import TrialConfig

pytestmark = pytest.mark.gpu

GIB = 2**30
# Its first convolution alone needs 1.2 GB in bfloat16.
LARGE = TrialConfig(batch_size=4096, width=64)


def start_processes(count: int) -> ProcessPoolExecutor:
    return ProcessPoolExecutor(count, get_context("spawn"))


def compute_share(size: float) -> float:
    return size / torch.cuda.get_device_properties(0).total_memory


def test_a_fraction_holds_its_memory_and_no_more() -> None:
    with start_processes(1) as worker:
        fits = worker.submit(allocate, compute_share(0.5 * GIB), [GIB // 4, GIB]).result()
        assert fits == [True, False]
        assert worker.submit(allocate, 1, [GIB]).result() == [True]  # the GPU has the room


def test_a_trial_over_its_fraction_fails_alone_and_its_process_trains_the_next(
    faces: TrialData,
) -> None:
    share = compute_share(0.9 * GIB)
    with start_processes(1) as worker, start_processes(1) as other:
        beside = other.submit(train_with_share, TrialConfig(), share, faces, 30)
        large = worker.submit(train_with_share, LARGE, share, make_trial_data(4096, 8), 1)
        failure = large.result()
        assert failure is not None
        assert failure.kind == "memory"
        assert "choose a smaller batch_size" in failure.last_line
        assert worker.submit(train_with_share, TrialConfig(), share, faces, 2).result() is None
        assert beside.result() is None
