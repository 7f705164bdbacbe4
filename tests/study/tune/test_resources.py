import pytest

from fer_tune.common.errors import UserError
from fer_tune.study.tune.resources import Machine, Resources, Wanted, divide


@pytest.mark.parametrize(
    ("machine", "trials", "wanted", "expected"),
    [
        (Machine(2, 0), 12, Wanted(), Resources(2, 1, 0)),
        (Machine(8, 0), 2, Wanted(), Resources(2, 4, 0)),
        (Machine(8, 0), 12, Wanted(concurrent=2), Resources(2, 4, 0)),
        (Machine(8, 0), 12, Wanted(cpus=3), Resources(2, 3, 0)),
        (Machine(16, 1), 12, Wanted(), Resources(4, 1, 0.25)),
        (Machine(16, 2), 12, Wanted(gpus=0.3), Resources(6, 1, 0.3)),
        (Machine(16, 4), 12, Wanted(gpus=2), Resources(2, 1, 2)),
        (Machine(16, 1), 12, Wanted(gpus=0), Resources(12, 1, 0)),
        (Machine(3, 1), 12, Wanted(gpus=0.1), Resources(3, 1, 0.1)),
        (Machine(16, 1), 12, Wanted(gpus="auto"), Resources(4, 1, 0.25)),
        (Machine(2, 0), 12, Wanted(gpus="auto"), Resources(2, 1, 0)),
    ],
)
def test_what_is_left_open_is_divided_evenly(
    machine: Machine, trials: int, wanted: Wanted, expected: Resources
) -> None:
    assert divide([machine], trials, wanted) == expected


@pytest.mark.parametrize(
    ("wanted", "told"),
    [
        (Wanted(gpus=0.5), "--gpus-per-trial 0.5: there are 0 GPUs"),
        (Wanted(cpus=4), "--cpus-per-trial 4: there are only 2 cores"),
    ],
)
def test_more_than_there_is_is_refused(wanted: Wanted, told: str) -> None:
    with pytest.raises(UserError, match=told):
        divide([Machine(2, 0)], 5, wanted)


def test_a_part_above_one_gpu_is_refused() -> None:
    with pytest.raises(UserError, match="only whole GPUs"):
        divide([Machine(8, 4)], 5, Wanted(gpus=1.5))


@pytest.mark.parametrize(
    ("machines", "wanted", "expected"),
    [
        ([Machine(2, 0), Machine(3, 0)], Wanted(cpus=2), Resources(2, 2, 0)),
        ([Machine(4, 0), Machine(4, 0)], Wanted(concurrent=1), Resources(1, 4, 0)),
        ([Machine(4, 0), Machine(8, 1)], Wanted(), Resources(4, 1, 0.25)),
        ([Machine(8, 1), Machine(8, 1)], Wanted(gpus=1), Resources(2, 1, 1)),
    ],
)
def test_no_trial_spans_two_machines(
    machines: list[Machine], wanted: Wanted, expected: Resources
) -> None:
    assert divide(machines, 12, wanted) == expected


def test_a_trial_that_no_machine_has_both_cores_and_gpus_for_is_refused() -> None:
    with pytest.raises(UserError, match="no machine has the 4 cores and 1 GPUs"):
        divide([Machine(8, 0), Machine(2, 1)], 5, Wanted(cpus=4, gpus=1))


def test_a_cluster_without_workers_is_told_as_such() -> None:
    with pytest.raises(UserError, match="start its workers first"):
        divide([Machine(0, 0)], 5, Wanted())
