import pytest

from benchmarks.gpu_check.process_sharing import measure_process_sharing

pytestmark = pytest.mark.gpu


def test_the_speed_of_one_and_of_two_trials_is_measured_without_ray() -> None:
    steps: list[str] = []
    speeds = measure_process_sharing(steps.append, max_trials=2)
    assert list(speeds) == [1, 2]
    assert all(speed.faces_per_second > 0 for speed in speeds.values())
    assert all(0 < speed.gpu_bytes < 2 * 2**30 for speed in speeds.values())
    assert steps
