"""A small ablation and made results of its trials, for tests."""

from collections.abc import Callable, Mapping
from itertools import combinations
from typing import Any

import numpy as np

from fer_tune.data.faces import EMOTIONS
from fer_tune.scoring.metrics import EpochResult, Scores, build_epoch_metrics
from fer_tune.study.ablation_plan import Ablation, PlannedTrial, Subset, list_planned_trials
from fer_tune.study.records.trial_record import TrialRecord
from fer_tune.trial_config import TrialConfig

METRIC = "val/macro_f1"
# One change each, in this order.
CHANGES: tuple[dict[str, Any], ...] = (
    {"depth": 4, "width": 16},
    {"mixup": 0.3},
    {"augmentation": 0.5},
    {"averaging": 1.0},
    {"weight_decay": 0.1},
)


def make_ablation(count: int, seeds: int = 1) -> Ablation:
    """Return an ablation of the first `count` of CHANGES."""
    return Ablation(study="first", trial=7, changes=CHANGES[:count], seeds=seeds)


def add_gains(gains: list[float], start: float = 0.5) -> dict[Subset, float]:
    """Return a score of every subset: the gains of its changes add up."""
    return {
        frozenset(subset): start + sum(gains[index] for index in subset)
        for size in range(len(gains) + 1)
        for subset in combinations(range(len(gains)), size)
    }


def run_trials(planned: list[PlannedTrial], scores: Mapping[Subset, float]) -> list[TrialRecord]:
    """Return the planned trials, completed with these scores; failed without a score."""
    return [
        TrialRecord(
            trial.number,
            trial.name,
            TrialConfig(),
            [] if score is None else [EpochResult(1, {METRIC: score, "gap": 1 - score}, ())],
            "failed" if score is None else "finished",
        )
        for trial in planned
        for score in [scores.get(trial.subset)]
    ]


def run_all(
    ablation: Ablation,
    scores: Mapping[Subset, float],
    noise: Callable[[PlannedTrial], float] = lambda _: 0.0,
    faces: int = 0,
) -> list[TrialRecord]:
    """Return all trials of an ablation, with those of the path.

    noise: is added to the score of a trial.
    faces: validation faces of each class; 0 for no confusion matrix.
    """
    first = run_trials(list_planned_trials(ablation, METRIC, []), scores)
    planned = list_planned_trials(ablation, METRIC, first)
    records = run_trials(planned, scores)
    for record, trial in zip(records, planned, strict=True):
        for index, result in enumerate(record.history):
            score = result.metrics[METRIC] + noise(trial)
            record.history[index] = _make_epoch(score, faces)
    return records


def _make_epoch(score: float, faces: int) -> EpochResult:
    if not faces:
        return EpochResult(1, {METRIC: score, "gap": 1 - score}, ())
    right = np.diag([round(faces * score)] * len(EMOTIONS))
    wrong = np.roll(np.diag(faces - np.diag(right)), 1, axis=1)
    metrics = build_epoch_metrics(Scores(1, right + wrong), Scores(1, right + wrong), EMOTIONS)
    return EpochResult(1, metrics | {"gap": 1 - score}, (right + wrong).tolist())
