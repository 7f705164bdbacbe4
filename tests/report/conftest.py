from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pytest

from fer_tune.data.faces import EMOTIONS
from fer_tune.events import Ending
from fer_tune.report.load_study import ReportedStudy
from fer_tune.scoring.metrics import EpochResult, Scores, build_epoch_metrics
from fer_tune.study.records.trial_record import TrialRecord
from fer_tune.study.search_space.load_space import parse_space
from fer_tune.tracking import tags
from fer_tune.tracking.queries import StudyRun
from fer_tune.trial_config import BASELINE, TrialConfig

SPACE = """
parameters:
  learning_rate: {type: float, low: 5.0e-5, high: 5.0e-3, log: true}
  augmentation: {type: float, low: 0.0, high: 1.0}
  dropout: {type: float, low: 0.0, high: 0.7}
  depth: {type: int, low: 2, high: 5}
  data_plan: {type: choice, values: [original, balanced, oversampled, sqrt_sampler]}
"""


@pytest.fixture
def epoch() -> Callable[..., EpochResult]:
    """Make an epoch's result: of 50 validation faces of each class, `right` are correct."""

    def result(
        number: int, right: int = 30, gap: float = 0.1, classes: Sequence[str] = EMOTIONS
    ) -> EpochResult:
        count = len(classes)
        confusion = np.diag([right] * count) + np.roll(np.diag([50 - right] * count), 1, axis=1)
        scores = Scores(1.0, confusion)
        metrics = build_epoch_metrics(scores, scores, classes) | {"gap": gap}
        return EpochResult(number, metrics, confusion.tolist())

    return result


@pytest.fixture
def trial(epoch: Callable[..., EpochResult]) -> Callable[..., TrialRecord]:
    """Make a trial; `right` is the number of correct faces of 50 in each of its epochs."""

    def record(
        number: int,
        *right: int,
        ending: Ending | None = "finished",
        classes: Sequence[str] = EMOTIONS,
        **config: Any,
    ) -> TrialRecord:
        history = [
            epoch(i, count, (i + number % 7) / 50, classes)
            for i, count in enumerate(right, start=1)
        ]
        settings = TrialConfig.model_validate(BASELINE.model_dump() | config)
        return TrialRecord(number, f"{number:03d}", settings, history, ending)

    return record


@pytest.fixture
def study() -> Callable[..., ReportedStudy]:
    """Make a study of these trials, each of at most 15 epochs."""

    def reported(
        *trials: TrialRecord, classes: Sequence[str] = EMOTIONS, ending: Ending | None = "finished"
    ) -> ReportedStudy:
        marks = {tags.FACES_HASH: "ab" * 32, tags.SEED: "7", tags.SOURCE: "demo faces"}
        settings = {"epochs": "15", "grace": "3", "reduction": "3"}
        run = StudyRun("tested", "0", ending, "val/macro_f1", marks, settings)
        space = parse_space(SPACE, "tested.yaml")
        return ReportedStudy(run, space, tuple(classes), trials, "python -m fer_tune.search")

    return reported


@pytest.fixture
def many(trial: Callable[..., TrialRecord], study: Callable[..., ReportedStudy]) -> ReportedStudy:
    """A study of 60 trials, of which 20 are completed with 15 epochs."""
    rng = np.random.default_rng(0)
    trials = [trial(0, *range(15, 30))]
    for number in range(1, 60):
        finished = number % 3 == 0
        start = int(rng.integers(8, 20))
        trials.append(
            trial(
                number,
                *(start + epoch for epoch in range(15 if finished else 3)),
                ending="finished" if finished else "stopped",
                learning_rate=float(rng.uniform(1e-4, 1e-3)),
                augmentation=float(rng.uniform(0, 1)),
                depth=int(rng.integers(2, 6)),
                data_plan=str(rng.choice(["original", "balanced", "oversampled"])),
            )
        )
    return study(*trials)
