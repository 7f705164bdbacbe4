"""Without processes: trials that answer at once stand in for them."""

from collections.abc import Callable
from concurrent.futures import Future

import pytest
import torch

from fer_tune.trial.gpu_sharing import (
    MeasureFunction,
    SharingSpeed,
    choose_trial_count,
    measure_sharing,
)


@pytest.mark.parametrize(
    ("faces_per_second", "trials"),
    [
        ((100,), 1),
        ((100, 105), 1),  # one trial keeps the GPU busy
        ((100, 190, 200, 205), 2),
        ((100, 190, 350, 600), 8),
        ((100, 90, 80), 1),
    ],
)
def test_the_fewest_trials_near_the_best_speed_share_a_gpu(
    faces_per_second: tuple[float, ...], trials: int
) -> None:
    speeds = {2**power: SharingSpeed(rate, 0) for power, rate in enumerate(faces_per_second)}
    assert choose_trial_count(speeds) == trials


def start_trials_that(answer: Callable[[float], SharingSpeed]) -> Callable[[], MeasureFunction]:
    def measure(_: float, share: float) -> Future[SharingSpeed]:
        future = Future[SharingSpeed]()
        try:
            future.set_result(answer(share))
        except Exception as error:
            future.set_exception(error)
        return future

    return lambda: measure


def test_speeds_are_added_and_the_largest_memory_is_kept() -> None:
    held = iter(range(100))
    start = start_trials_that(lambda share: SharingSpeed(1000 * share, next(held)))
    assert dict(measure_sharing(start, 4)) == {
        1: SharingSpeed(1000, 1),
        2: SharingSpeed(1000, 5),
        4: SharingSpeed(1000, 13),
    }


def test_it_ends_where_the_memory_ends() -> None:
    def fit_into_half(share: float) -> SharingSpeed:
        if share < 0.5:
            raise torch.OutOfMemoryError("CUDA out of memory")
        return SharingSpeed(100, 0)

    assert list(dict(measure_sharing(start_trials_that(fit_into_half), 8))) == [1, 2]


def test_other_errors_end_the_measurement() -> None:
    def fail(_: float) -> SharingSpeed:
        raise RuntimeError("shapes differ")

    with pytest.raises(RuntimeError, match="shapes differ"):
        dict(measure_sharing(start_trials_that(fail), 8))
