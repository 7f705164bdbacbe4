from collections.abc import Mapping

import pytest

from fer_tune.common.errors import UserError
from fer_tune.data.demo.demo_splits import draw_demo_splits
from fer_tune.data.subsample import draw_stratified_sample
from fer_tune.data.trial_data import TrialData, build_trial_data
from fer_tune.study.tune import measure_gpu_sharing
from fer_tune.study.tune.measure_gpu_sharing import (
    Throughputs,
    choose_trial_count,
    measure_gpu_share,
    measure_throughputs,
)
from fer_tune.study.tune.ray_session import open_ray_session
from fer_tune.study.tune.resources import Machine, ResourceRequest


@pytest.fixture
def faces() -> TrialData:
    splits = draw_demo_splits()
    return build_trial_data(splits, draw_stratified_sample(splits.train, 40, 0), "original", 0)


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
def test_the_fewest_trials_near_the_best_throughput_share_a_gpu(
    faces_per_second: tuple[float, ...], trials: int
) -> None:
    found = {2**power: rate for power, rate in enumerate(faces_per_second)}
    assert choose_trial_count(found) == trials


@pytest.mark.parametrize(
    ("wanted", "machine"),
    [(ResourceRequest(gpus="auto"), Machine(4, 0)), (ResourceRequest(gpus=0.5), Machine(4, 1))],
)
def test_without_auto_or_a_gpu_nothing_is_measured(
    wanted: ResourceRequest, machine: Machine
) -> None:
    assert measure_gpu_share(wanted, [machine], {}) == (wanted, {})


def test_auto_gives_a_trial_the_best_measured_share_of_a_gpu(
    monkeypatch: pytest.MonkeyPatch, faces: TrialData
) -> None:
    asked: list[Mapping[str, float]] = []

    def rates(_: TrialData, there: Mapping[str, float]) -> Throughputs:
        asked.append(there)
        return {1: 100, 2: 190, 4: 195}

    monkeypatch.setattr(measure_gpu_sharing, "measure_throughputs", rates)
    wanted, found = measure_gpu_share(
        ResourceRequest(gpus="auto"), [Machine(12, 2)], {"original": faces}
    )
    assert wanted == ResourceRequest(gpus=0.5)
    assert list(found) == [1, 2, 4]
    assert asked == [{"CPU": 6, "GPU": 1}]


def test_trials_that_share_cores_are_measured_together(
    monkeypatch: pytest.MonkeyPatch, faces: TrialData
) -> None:
    monkeypatch.setattr(measure_gpu_sharing, "MEASURE_SECONDS", 0.0)
    monkeypatch.setattr(measure_gpu_sharing, "TIMEOUT_SECONDS", 1.0)
    with open_ray_session(None):
        found = measure_throughputs(faces, {"CPU": 2})
        assert list(found) == [1, 2]
        assert all(rate > 0 for rate in found.values())
        with pytest.raises(UserError, match="no machine has"):
            measure_throughputs(faces, {"CPU": 1000})
