import pytest

from fer_tune.common.errors import UserError
from fer_tune.study.tune.resources import (
    Machine,
    ResourceAllocation,
    ResourceRequest,
    allocate_resources,
)


@pytest.mark.parametrize(
    ("machine", "trials", "request_", "expected"),
    [
        (Machine(2, 0), 12, ResourceRequest(), ResourceAllocation(2, 1, 0)),
        (Machine(8, 0), 2, ResourceRequest(), ResourceAllocation(2, 4, 0)),
        (Machine(8, 0), 12, ResourceRequest(concurrent=2), ResourceAllocation(2, 4, 0)),
        (Machine(8, 0), 12, ResourceRequest(cpus=3), ResourceAllocation(2, 3, 0)),
        (Machine(16, 1), 12, ResourceRequest(), ResourceAllocation(4, 1, 0.25)),
        (Machine(16, 2), 12, ResourceRequest(gpus=0.3), ResourceAllocation(6, 1, 0.3)),
        (Machine(16, 4), 12, ResourceRequest(gpus=2), ResourceAllocation(2, 1, 2)),
        (Machine(16, 1), 12, ResourceRequest(gpus=0), ResourceAllocation(12, 1, 0)),
        (Machine(3, 1), 12, ResourceRequest(gpus=0.1), ResourceAllocation(3, 1, 0.1)),
        (Machine(16, 1), 12, ResourceRequest(gpus="auto"), ResourceAllocation(4, 1, 0.25)),
        (Machine(2, 0), 12, ResourceRequest(gpus="auto"), ResourceAllocation(2, 1, 0)),
    ],
)
def test_resources_are_divided_evenly_by_default(
    machine: Machine, trials: int, request_: ResourceRequest, expected: ResourceAllocation
) -> None:
    assert allocate_resources([machine], trials, request_) == expected


@pytest.mark.parametrize(
    ("request_", "message"),
    [
        (ResourceRequest(gpus=0.5), "--gpus-per-trial 0.5: the largest machine has 0 GPUs"),
        (ResourceRequest(cpus=4), "--cpus-per-trial 4: the largest machine has 2 cores"),
    ],
)
def test_more_than_the_largest_machine_is_refused(request_: ResourceRequest, message: str) -> None:
    with pytest.raises(UserError, match=message):
        allocate_resources([Machine(2, 0)], 5, request_)


def test_a_fraction_above_one_gpu_is_refused() -> None:
    with pytest.raises(UserError, match="only whole numbers are possible"):
        allocate_resources([Machine(8, 4)], 5, ResourceRequest(gpus=1.5))


@pytest.mark.parametrize(
    ("machines", "request_", "expected"),
    [
        ([Machine(2, 0), Machine(3, 0)], ResourceRequest(cpus=2), ResourceAllocation(2, 2, 0)),
        (
            [Machine(4, 0), Machine(4, 0)],
            ResourceRequest(concurrent=1),
            ResourceAllocation(1, 4, 0),
        ),
        ([Machine(4, 0), Machine(8, 1)], ResourceRequest(), ResourceAllocation(4, 1, 0.25)),
        ([Machine(8, 1), Machine(8, 1)], ResourceRequest(gpus=1), ResourceAllocation(2, 1, 1)),
    ],
)
def test_no_trial_spans_two_machines(
    machines: list[Machine], request_: ResourceRequest, expected: ResourceAllocation
) -> None:
    assert allocate_resources(machines, 12, request_) == expected


def test_a_trial_that_fits_on_no_machine_is_refused() -> None:
    with pytest.raises(UserError, match="no machine has the 4 cores and 1 GPU that"):
        allocate_resources([Machine(8, 0), Machine(2, 1)], 5, ResourceRequest(cpus=4, gpus=1))


def test_a_cluster_without_workers_is_refused() -> None:
    with pytest.raises(UserError, match="start its workers"):
        allocate_resources([Machine(0, 0)], 5, ResourceRequest())
