"""A study with invented but plausible epochs."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from optuna import create_study
from optuna.samplers import RandomSampler

from fer_tune.data.faces import EMOTIONS
from fer_tune.events import EpochEnded, Event, TrialEnded, TrialStarted
from fer_tune.scoring.metrics import EpochResult, Scores, build_epoch_metrics
from fer_tune.study.records.trial_record import format_trial_label
from fer_tune.study.search_space.load_space import find_space_file, load_space
from fer_tune.study.search_space.space import SearchSpace
from fer_tune.tracking.recorder import EventRecorder
from fer_tune.tracking.store import Store, open_store
from fer_tune.tracking.study_and_retrain_info import StudyInfo
from fer_tune.tracking.study_run import StudyEnded
from fer_tune.trial_config import BASELINE, TrialConfig

OUTCOME = "The baseline was not the best."

_EPOCHS, _RUNGS = 9, (1, 3)
_FACES = (467, 56, 496, 895, 653, 415, 607)  # PublicTest's, by class


@dataclass(frozen=True)
class Recorded:
    """A completed study of the largest space, in its own store.

    ranking: names of its trials, the best first.
    """

    name: str
    store: Store
    run_id: str
    space: SearchSpace
    ranking: list[str]


def record_study(folder: Path, trials: int) -> Recorded:
    """Record a study as fast as possible."""
    space, name = load_space(find_space_file("regularize")), f"{trials}-trials"
    store = open_store(str(folder / "mlruns"))
    recorder = EventRecorder(store, _described(name, space), resume=False)
    rng, scores = np.random.default_rng(0), dict[str, float]()
    for number, config in enumerate(_configs(space, trials)):
        point = space.extract_point(config.model_dump())
        absent = tuple(name for name in space.parameters if name not in point)
        title = format_trial_label(number, point)
        begun = TrialStarted(number=number, name=title, config=config, absent=absent)
        results = list(_results(config, _RUNGS[number % 2] if number % 3 else _EPOCHS, rng))
        ending = TrialEnded(number=number, ending="stopped" if number % 3 else "finished")
        ended_epochs: list[Event] = [EpochEnded(number=number, result=result) for result in results]
        recorder.record_events([begun, *ended_epochs, ending])
        scores[title] = max(result.metrics["val/macro_f1"] for result in results)
    recorder.record_events([StudyEnded("finished", OUTCOME, time=begun.time + 1)])
    ranking = sorted(scores, key=lambda title: scores[title], reverse=True)
    return Recorded(name, store, recorder.run_id, space, ranking)


def _described(name: str, space: SearchSpace) -> StudyInfo:
    return StudyInfo(
        name=name,
        space=space.to_yaml(),
        command="python -m fer_tune.search --space regularize",
        classes=EMOTIONS,
        source="invented",
        faces_hash="ab" * 32,
        protocol="nothing is trained",
        code_version="tested",
        seed=0,
        settings={"epochs": _EPOCHS},
        notes=("These epochs were invented.",),
        parameters={name: tuple(each.when or ()) for name, each in space.parameters.items()},
        log_parameters=[
            name for name, each in space.parameters.items() if getattr(each, "log", False)
        ],
    )


def _configs(space: SearchSpace, trials: int) -> Iterator[TrialConfig]:
    """Yield the baseline, then random configurations."""
    yield BASELINE
    asked = create_study(sampler=RandomSampler(seed=0))
    for _ in range(trials - 1):
        yield TrialConfig.model_validate(BASELINE.model_dump() | space.suggest_point(asked.ask()))


def _results(config: TrialConfig, epochs: int, rng: np.random.Generator) -> Iterator[EpochResult]:
    """Yield epochs of a network that learns best at a rate of 1e-3; dropout reduces its gap."""
    distance = abs(np.log10(config.learning_rate) + 3) + abs(config.dropout - 0.4)
    best = 0.6 - 0.1 * distance + rng.normal(0, 0.02)
    for epoch in range(1, epochs + 1):
        accuracy = best * (1 - 0.5**epoch)
        by_heart = 0.03 * epoch * (1 - config.dropout)
        train, validation = _scores(accuracy + by_heart, rng), _scores(accuracy, rng)
        metrics = build_epoch_metrics(train, validation, EMOTIONS)
        yield EpochResult(epoch, metrics, validation.confusion.tolist(), seconds=20.0)


def _scores(accuracy: float, rng: np.random.Generator) -> Scores:
    """Return scores with this accuracy in each class; the errors are spread evenly."""
    chances = np.full((7, 7), (1 - accuracy) / 6)
    np.fill_diagonal(chances, accuracy)
    return Scores(2 * (1 - accuracy), rng.multinomial(_FACES, chances))
