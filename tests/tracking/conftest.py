from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from fer_tune.data.demo.demo_splits import draw_demo_splits
from fer_tune.data.faces import EMOTIONS
from fer_tune.events import Ending, EpochEnded, Event, TrialEnded, TrialStarted
from fer_tune.scoring.metrics import EpochResult, Scores, build_epoch_metrics
from fer_tune.tracking.queries import find_study, find_trial
from fer_tune.tracking.recorder import EventRecorder
from fer_tune.tracking.store import Store, open_store
from fer_tune.tracking.study_and_retrain_info import RetrainInfo, StudyInfo
from fer_tune.trial_config import BASELINE, TrialConfig


@pytest.fixture(scope="session")
def store(tmp_path_factory: pytest.TempPathFactory) -> Store:
    """Return the store of all tests, since creating one takes seconds; tests name their studies."""
    return open_store(str(tmp_path_factory.mktemp("store") / "mlruns"))


@pytest.fixture
def describe(request: pytest.FixtureRequest) -> Callable[..., StudyInfo]:
    """Return a function that describes a study named after the test."""

    def study(**changes: Any) -> StudyInfo:
        values = {
            "name": request.node.name,
            "space": "dropout: [0.2, 0.5]\n",
            "command": "python -m fer_tune.search --space smoke",
            "source": "demo faces",
            "faces_hash": "ab" * 32,
            "protocol": "training faces train",
            "code_version": "0.1.0",
            "settings": {"epochs": 4, "data": None},
            "parameters": {"dropout": ()},
        } | changes
        return StudyInfo(classes=EMOTIONS, seed=7, notes=("Drawn faces.",), **values)

    return study


@pytest.fixture
def result() -> Callable[..., EpochResult]:
    """Return a function that makes an epoch's result.

    right: correct predictions for the 100 faces of each class.
    """

    def epoch(number: int, right: int = 50, loss: float | None = None) -> EpochResult:
        wrong = (100 - right) // 6
        confusion = np.full((7, 7), wrong) + np.diag([100 - 7 * wrong] * 7)
        scores = Scores(1 / number if loss is None else loss, confusion)
        metrics = build_epoch_metrics(scores, scores, EMOTIONS)
        return EpochResult(number, metrics, confusion.tolist())

    return epoch


@pytest.fixture
def events() -> Callable[..., list[Event]]:
    """Return a function that makes the events of a trial: start, these epochs and maybe the end."""

    def trial(
        number: int,
        *results: EpochResult,
        ending: Ending | None = None,
        error: str | None = None,
        config: TrialConfig = BASELINE,
        repeat_of: int | None = None,
    ) -> list[Event]:
        name = f"trial {number}"
        start = TrialStarted(number=number, name=name, config=config, repeat_of=repeat_of)
        made: list[Event] = [start]
        made += [EpochEnded(number=number, result=each) for each in results]
        if ending:
            made.append(TrialEnded(number=number, ending=ending, error=error))
        return made

    return trial


@pytest.fixture
def info(
    store: Store, describe: Callable[..., StudyInfo], events: Callable[..., list[Event]]
) -> RetrainInfo:
    """Record a study with trial 3; return how a retraining of that trial is described."""
    recorder = EventRecorder(store, describe(), resume=False)
    for event in events(3, ending="finished"):
        recorder.record_events([event])
    study = find_study(store, describe().name)
    return RetrainInfo(
        study,
        find_trial(store, study, 3),
        epochs=2,
        splits=replace(draw_demo_splits(), source="faces", notes=("Drawn faces.",)),
        command="python -m fer_tune.retrain",
        code_version="0.2.0",
    )
