from collections.abc import Mapping

import pytest

from fer_tune.common.errors import UserError
from fer_tune.data.demo.demo_splits import draw_demo_splits
from fer_tune.data.subsample import draw_stratified_sample
from fer_tune.data.trial_data import TrialData, build_trial_data
from fer_tune.study.tune import measure_gpu_sharing
from fer_tune.study.tune.measure_gpu_sharing import measure_gpu_share, measure_speeds
from fer_tune.study.tune.ray_session import open_ray_session
from fer_tune.study.tune.resources import Machine, ResourceRequest
from fer_tune.trial import gpu_sharing
from fer_tune.trial.gpu_sharing import SharingSpeed, SharingSpeeds


@pytest.fixture
def faces() -> TrialData:
    splits = draw_demo_splits()
    return build_trial_data(splits, draw_stratified_sample(splits.train, 40, 0), "original", 0)


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

    def measure(_: TrialData, there: Mapping[str, float]) -> SharingSpeeds:
        asked.append(there)
        return {count: SharingSpeed(rate, 0) for count, rate in ((1, 100), (2, 190), (4, 195))}

    monkeypatch.setattr(measure_gpu_sharing, "measure_speeds", measure)
    wanted, found = measure_gpu_share(
        ResourceRequest(gpus="auto"), [Machine(12, 2)], {"original": faces}
    )
    assert wanted == ResourceRequest(gpus=0.5)
    assert list(found) == [1, 2, 4]
    assert asked == [{"CPU": 6, "GPU": 1}]


def test_trials_that_share_cores_are_measured_together(
    monkeypatch: pytest.MonkeyPatch, faces: TrialData
) -> None:
    monkeypatch.setattr(gpu_sharing, "MEASURE_SECONDS", 0.0)
    monkeypatch.setattr(measure_gpu_sharing, "TIMEOUT_SECONDS", 1.0)
    with open_ray_session(None):
        found = measure_speeds(faces, {"CPU": 2})
        assert list(found) == [1, 2]
        assert all(speed.faces_per_second > 0 for speed in found.values())
        with pytest.raises(UserError, match="no machine has"):
            measure_speeds(faces, {"CPU": 1000})
