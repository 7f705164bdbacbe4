"""Studies whose trials train nothing, on a Ray of their own that believes it has a GPU."""

import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from ray import tune

from fer_tune.events import Event, TrialEnded, TrialRemarked
from fer_tune.study.faces import SentFaces
from fer_tune.study.failure import Failure
from fer_tune.study.resources import Resources
from fer_tune.study.runner import Place, Trainable, run_study
from fer_tune.study.session import ENVIRONMENT
from fer_tune.study.settings import StudySettings, begin_study
from fer_tune.study.trainable import TrialOptions, report
from fer_tune.training.metrics import EpochResult


class Heard(list[Event]):
    """An observer that remembers."""

    tell = list.append


@pytest.fixture(scope="module")
def _ray() -> Iterator[None]:
    import ray

    with pytest.MonkeyPatch.context() as patch:
        for name, value in ENVIRONMENT.items():
            patch.setenv(name, value)
        ray.init("local", num_cpus=2, num_gpus=1, include_dashboard=False, log_to_driver=False)
        yield
        ray.shutdown()


def _train(config: dict[str, Any], options: TrialOptions) -> None:
    for epoch in range(1, options.epochs + 1):
        score = 1 - 1 / (2 + config["number"] + epoch)
        report(EpochResult(epoch, {options.metric: score}, []), options.metric)


def _fail(kind: Any, options: TrialOptions) -> None:
    failure = Failure(kind, f"Traceback\nIt was the {kind}.")
    tune.report({options.metric: math.nan, "epoch": 0, "failure": failure})


def too_large_for_a_part(config: dict[str, Any], faces: SentFaces, options: TrialOptions) -> None:  # noqa: ARG001
    """The second trial is; it takes an epoch to find out."""
    if config["number"] == 1 and config["gpus"] < 1:
        report(EpochResult(1, {options.metric: 1 - 1 / 4}, []), options.metric)
        return _fail("memory", options)
    return _train(config, options)


def broken(config: dict[str, Any], faces: SentFaces, options: TrialOptions) -> None:  # noqa: ARG001
    """The second trial is."""
    return _fail("error", options) if config["number"] == 1 else _train(config, options)


def _run(folder: Path, settings: StudySettings, train: Trainable, gpus: float) -> list[Event]:
    heard = Heard()
    place = Place.here(begin_study(folder, settings), Resources(2, 1, gpus))
    run_study(settings, {}, place, [heard], train)
    return heard


@pytest.fixture
def few(settings: StudySettings) -> StudySettings:
    return settings.model_copy(update={"trials": 3, "epochs": 3, "grace": 3})


@pytest.mark.usefixtures("_ray")
def test_a_trial_too_large_for_its_part_of_a_gpu_goes_on_with_a_whole_one(
    tmp_path: Path, few: StudySettings
) -> None:
    heard = _run(tmp_path, few, too_large_for_a_part, gpus=0.25)
    endings = [(e.number, e.ending) for e in heard if isinstance(e, TrialEnded)]
    assert sorted(endings) == [
        (0, "finished"),
        (1, "finished"),
        (1, "interrupted"),
        (2, "finished"),
    ]
    epochs = [e.result.epoch for e in heard if e.kind == "epoch" and e.number == 1]
    assert epochs == [1, 2, 3]
    remarks = [e.remark for e in heard if isinstance(e, TrialRemarked)]
    assert "it gets a whole one" in remarks[0]


@pytest.mark.usefixtures("_ray")
def test_a_broken_trial_is_failed_once_and_the_study_goes_on(
    tmp_path: Path, few: StudySettings
) -> None:
    heard = _run(tmp_path, few, broken, gpus=0)
    endings = {e.number: (e.ending, e.error) for e in heard if isinstance(e, TrialEnded)}
    assert endings == {
        0: ("finished", None),
        1: ("failed", "Traceback\nIt was the error."),
        2: ("finished", None),
    }
