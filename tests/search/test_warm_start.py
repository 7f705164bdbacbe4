"""Trials of other studies in the same store, with which a search starts."""

from collections.abc import Sequence
from typing import Any

import pytest

from fer_tune.common.errors import UserError
from fer_tune.events import Ending, EpochEnded, Event, TrialEnded, TrialStarted
from fer_tune.scoring.metrics import EpochResult
from fer_tune.search.warm_start import warm_start
from fer_tune.study.records.settings import StudySettings
from fer_tune.study.search_space.load_space import parse_space
from fer_tune.tracking.recorder import EventRecorder
from fer_tune.tracking.store import Store, open_store
from fer_tune.tracking.study_and_retrain_info import StudyInfo
from fer_tune.trial_config import TrialConfig
from tests.settings import make_settings

FACES = "ab" * 32
SPACE = """
parameters:
  learning_rate: {type: float, low: 1.0e-5, high: 1.0e-2, log: true}
  schedule: {type: choice, values: [constant, cosine]}
  mixup: {type: float, low: 0.1, high: 0.4, when: {schedule: cosine}}
fixed: {width: 16}
"""


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Store:
    return open_store(str(tmp_path_factory.mktemp("store") / "mlruns"))


def _settings(**own: Any) -> StudySettings:
    usual = {"faces_hash": FACES, "epochs": 3}
    return make_settings("new", "new", parse_space(SPACE, "new.yaml"), **(usual | own))


def _record(store: Store, name: str, trials: Sequence[Sequence[Event]], **own: Any) -> None:
    settings = {"epochs": 3, "train_faces": None, "seed": 0, "suspects_hash": None}
    settings |= {each: own.pop(each) for each in settings.keys() & own.keys()}
    usual = {"faces_hash": FACES, "metric": "val/macro_f1"} | own
    recorder = EventRecorder(
        store,
        StudyInfo(
            name=name,
            space="",
            command="",
            classes=("sad", "happy"),
            source="drawn faces",
            protocol="",
            seed=0,
            settings=settings,
            **usual,
        ),
        resume=False,
    )
    for events in trials:
        recorder.record_events(events)


def _trial(
    number: int, scores: Sequence[float], ending: Ending | None, **config: Any
) -> list[Event]:
    complete = TrialConfig(**{"width": 16, "learning_rate": 1e-3} | config)
    started = TrialStarted(number=number, name=f"{number}", config=complete)
    epochs = [
        EpochEnded(
            number=number,
            result=EpochResult(
                epoch,
                {"val/macro_f1": score, "val/accuracy": score, "gap": score / 2},
                [[1, 0], [0, 1]],
            ),
        )
        for epoch, score in enumerate(scores, start=1)
    ]
    ended = [TrialEnded(number=number, ending=ending)] if ending else []
    return [started, *epochs, *ended]


def test_trials_that_fit_are_prior_trials(store: Store) -> None:
    trials = [
        _trial(0, [0.2, 0.6, 0.4], "finished"),
        _trial(1, [0.3], "stopped", schedule="cosine", mixup=0.2),
    ]
    _record(store, "fits", trials)
    (full, pruned), summary = warm_start(store, ["fits", "fits"], _settings())
    assert summary == "Starting with 2 of 2 trials of fits."
    assert (full.study, full.number, full.epochs, full.is_whole) == (
        "fits",
        0,
        3,
        True,
    )
    assert (full.best, full.gap, full.last) == (0.6, 0.3, 0.4)
    assert full.point == {"learning_rate": 1e-3, "schedule": "constant"}
    assert (pruned.epochs, pruned.is_whole) == (1, False)
    assert pruned.point == {"learning_rate": 1e-3, "schedule": "cosine", "mixup": 0.2}


def test_trials_that_do_not_fit_are_counted_by_reason(store: Store) -> None:
    trials = [
        _trial(0, [0.2], "stopped"),
        _trial(1, [0.2], "stopped", width=32),  # fixed to another value
        _trial(2, [0.2], "stopped", learning_rate=0.9),
        _trial(3, [0.2], "stopped", mixup=0.2),  # only with the schedule cosine
        _trial(4, [], "failed"),
        _trial(5, [0.2], None),
    ]
    _record(store, "partly", trials)
    known, summary = warm_start(store, ["partly"], _settings())
    assert [each.number for each in known] == [0]
    assert summary == (
        "Starting with 1 of 6 trials of partly (left out: 2 without an end or a result; "
        "1 outside the space in width; 1 outside the space in learning_rate; "
        "1 outside the space in mixup)."
    )


@pytest.mark.parametrize(
    ("settings", "omitted"),
    [
        ({"faces_hash": "cd" * 32}, "1 with other faces"),
        ({"train_faces": 300}, "1 with another number of training faces (--train-faces)"),
        ({"metric": "val/accuracy"}, "1 with the metric val/accuracy"),
        ({"epochs": 4}, "1 of up to 4 epochs, more than in this study"),
    ],
)
def test_no_trial_of_an_incomparable_study_is_used(
    store: Store, settings: dict[str, Any], omitted: str, request: pytest.FixtureRequest
) -> None:
    name = request.node.name
    _record(store, name, [_trial(0, [0.2], "stopped")], **settings)
    known, line = warm_start(store, [name], _settings())
    assert known == ()
    assert line == f"Starting with 0 of 1 trial of {name} (left out: {omitted})."


def test_trials_without_suspects_fit_only_if_their_list_was_the_same(store: Store) -> None:
    space = parse_space(SPACE.replace("width: 16", "width: 16, labels: without_suspects"), "a.yaml")
    trials = [_trial(0, [0.2], "stopped", labels="without_suspects")]
    _record(store, "without", trials, suspects_hash="ab" * 32)
    settings = _settings(suspects_hash="ab" * 32).model_copy(update={"space": space})
    assert len(warm_start(store, ["without"], settings)[0]) == 1
    other = settings.model_copy(update={"suspects_hash": "cd" * 32})
    assert "1 with another list of suspects" in warm_start(store, ["without"], other)[1]


@pytest.mark.parametrize(("seed", "fits"), [(0, True), (1, False)])
def test_a_sample_of_the_faces_is_the_same_only_with_the_same_seed(
    store: Store, seed: int, fits: bool
) -> None:
    name = f"sample-{seed}"
    _record(store, name, [_trial(0, [0.2], "stopped")], train_faces=300, seed=seed)
    known, line = warm_start(store, [name], _settings(train_faces=300))
    assert len(known) == fits
    assert ("as the seed differs" in line) != fits


def test_a_completed_trial_of_a_shorter_study_counts_as_pruned(store: Store) -> None:
    _record(store, "shorter", [_trial(0, [0.2, 0.3], "finished")], epochs=2)
    ((known,), _) = warm_start(store, ["shorter"], _settings())
    assert (known.epochs, known.is_whole) == (2, False)


def test_a_missing_study_is_reported_with_similar_names(store: Store) -> None:
    _record(store, "faces-1", [])
    with pytest.raises(UserError, match=r"study faces-2 is not in .*; it has faces-1") as error:
        warm_start(store, ["faces-2"], _settings())
    assert "\n" not in str(error.value)
