from collections.abc import Iterator

import pytest

from fer_tune.data.demo import demo_splits
from fer_tune.data.sample import stratified_sample
from fer_tune.study import sharing
from fer_tune.study.session import ray_session
from fer_tune.study.sharing import Rate, best, rates
from fer_tune.training.faces import trial_faces


def told(*faces_per_second: float) -> Iterator[Rate]:
    for power, rate in enumerate(faces_per_second):
        yield Rate(2**power, rate)


@pytest.mark.parametrize(
    ("measured", "trials"),
    [
        ((100,), 1),
        ((100, 105, 400), 1),  # one trial keeps the GPU busy
        ((100, 190, 200, 800), 2),
        ((100, 190, 350, 600), 8),
        ((100, 90), 1),
    ],
)
def test_more_trials_share_a_gpu_as_long_as_that_makes_them_faster_together(
    measured: tuple[float, ...], trials: int
) -> None:
    assert best(told(*measured)).trials == trials


def test_no_more_is_measured_than_is_needed() -> None:
    measured = told(100, 105, 400, 800)
    best(measured)
    assert [rate.trials for rate in measured] == [4, 8]


def test_a_gpu_on_which_nothing_fits_is_said_so() -> None:
    with pytest.raises(ValueError, match="not one trial fits"):
        best(told())


def test_trials_that_share_cores_are_measured_together(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sharing, "SECONDS", 0.0)
    splits = demo_splits()
    faces = trial_faces(splits, stratified_sample(splits.train, 40, 0), "original", 0)
    with ray_session(None):
        measured = list(rates(faces, {"CPU": 2}))
    assert [rate.trials for rate in measured] == [1, 2]
    assert all(rate.faces_per_second > 0 for rate in measured)
