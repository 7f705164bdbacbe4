import sqlite3
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from mlflow import MlflowClient
from mlflow.entities import Run
from mlflow.exceptions import MlflowException
from sqlalchemy.engine.default import DefaultDialect

from fer_tune.common.errors import UserError
from fer_tune.data.faces import EMOTIONS
from fer_tune.model import FaceClassifier, FerNet
from fer_tune.scoring.evaluation import Evaluation
from fer_tune.scoring.metrics import EpochResult
from fer_tune.scoring.predictions import Predictions
from fer_tune.scoring.significance import McNemarResult
from fer_tune.tracking import tags
from fer_tune.tracking.models.log_model import load_model
from fer_tune.tracking.retrain_run import (
    find_seed_in_any_retraining,
    has_unfinished_run,
    open_retrain_run,
)
from fer_tune.tracking.seed_run import SeedOutcome
from fer_tune.tracking.store import Store
from fer_tune.tracking.study_and_retrain_info import RetrainInfo
from fer_tune.trial.train_and_test import TrainedModel
from fer_tune.trial_config import TrialConfig

Result = Callable[..., EpochResult]


@pytest.fixture
def final(result: Result) -> TrainedModel:
    config = TrialConfig(depth=2, width=4, hidden_1=16, hidden_2=8)
    truth, predicted = np.repeat(np.indices((7, 7)).reshape(2, 49), np.arange(49), axis=1)
    plain, flipped = np.eye(7)[predicted] * 0.3 + 0.1, np.eye(7)[truth]
    test = Evaluation(EMOTIONS, Predictions.from_probabilities(truth, plain, flipped))
    model = FaceClassifier([FerNet(config, len(EMOTIONS))])
    return TrainedModel(model, result(2, 76), test)


def _runs(store: Store, info: RetrainInfo) -> Iterator[Run]:
    """Yield the run of the retraining, then the runs of its seeds."""
    yield from store.find_runs({tags.RETRAINED_RUN: info.trial.run_id})


def _status(store: Store, info: RetrainInfo) -> list[str]:
    return [run.info.status for run in _runs(store, info)]


def _interrupt(
    store: Store, info: RetrainInfo, error: type[BaseException], *results: EpochResult
) -> None:
    def retrain() -> None:
        with open_retrain_run(store, info) as run, run.open_seed_run(0) as seed_run:
            for each in results:
                seed_run.log_epoch(each)
            raise error

    with pytest.raises(error):
        retrain()


def test_a_retraining_is_a_run_with_a_nested_run_a_seed(
    store: Store, info: RetrainInfo, final: TrainedModel, result: Result
) -> None:
    with open_retrain_run(store, info) as run:
        with run.open_seed_run(0) as seed_run:
            seed_run.log_epoch(result(1))
            outcome = seed_run.log_outcome(final)
        run.log_summary([outcome], {"test/flip_accuracy": [0.5]})
        run.log_mcnemar("paper", McNemarResult(4, 3, 0.9))
        run.log_model_card(outcome, ["Better (unlikely to be chance)."])
    assert _status(store, info) == ["FINISHED", "FINISHED"]
    parent, seed = _runs(store, info)
    assert parent.data.tags[tags.NOTE] == "Drawn faces."
    assert parent.data.tags[tags.RETRAINED_STUDY] == info.study.name
    assert parent.data.metrics["test/accuracy"] == final.test.scores.accuracy
    assert parent.data.metrics["test/flip_accuracy"] == 0.5
    assert parent.data.metrics["against_paper/p"] == 0.9
    assert seed.data.tags[tags.PARENT] == parent.info.run_id
    assert {each.data.tags[tags.CODE_VERSION] for each in (parent, seed)} == {"0.2.0"}
    assert {each.data.params["epochs"] for each in (parent, seed)} == {"2"}
    files = {file.path for file in store.client.list_artifacts(seed.info.run_id)}
    tables = {"confusion.csv", "test_confusion.csv"}
    written = {"test_predictions.csv", "model_card.md"}
    assert files == tables | {"confusion.png", "test_confusion.png"} | written
    cards = [
        Path(store.client.download_artifacts(each.info.run_id, "model_card.md")).read_text()
        for each in (parent, seed)
    ]
    assert cards[0] == f"{cards[1]}\n## Comparisons\n\nBetter (unlikely to be chance).\n"
    assert "must not be used" in cards[0]
    low, high = (seed.data.metrics[f"test/accuracy_{end}"] for end in ("low", "high"))
    assert low < final.test.scores.accuracy < high
    assert load_model(store, outcome.model_uri).metadata.run_id == seed.info.run_id


def test_several_seeds_give_a_mean_and_a_deviation(
    store: Store, info: RetrainInfo, result: Result
) -> None:
    outcomes = [
        SeedOutcome(
            seed=0,
            run_id="",
            model_uri="",
            best=result(1, right),
            test=Evaluation.from_confusion(EMOTIONS, result(1, right).confusion),
        )
        for right in (40, 58)
    ]
    with open_retrain_run(store, info) as run:
        run.log_summary(outcomes, {"test/flip_accuracy": [0.1, 0.2]})
    (parent,) = _runs(store, info)
    assert parent.data.metrics["test/accuracy"] == pytest.approx(0.49)
    assert parent.data.metrics["test/accuracy_deviation"] == pytest.approx(0.18 / 2**0.5)
    assert parent.data.metrics["test/flip_accuracy"] == pytest.approx(0.15)


@pytest.mark.parametrize(
    ("error", "status"), [(KeyboardInterrupt, "KILLED"), (RuntimeError, "FAILED")]
)
def test_an_error_ends_both_runs(
    store: Store, info: RetrainInfo, error: type[BaseException], status: str
) -> None:
    _interrupt(store, info, error)
    assert _status(store, info) == [status, status]


def test_ctrl_c_in_the_middle_of_a_write_leaves_the_database_unlocked(
    store: Store, info: RetrainInfo, result: Result, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole: Callable[..., None] = DefaultDialect.do_executemany

    def interrupted(dialect: DefaultDialect, cursor: Any, *args: Any, **kwargs: Any) -> None:
        whole(dialect, cursor, *args, **kwargs)
        monkeypatch.undo()
        raise KeyboardInterrupt

    def retrain() -> None:
        with open_retrain_run(store, info) as run, run.open_seed_run(0) as seed_run:
            monkeypatch.setattr(DefaultDialect, "do_executemany", interrupted)
            seed_run.log_epoch(result(1))

    with pytest.raises(KeyboardInterrupt):
        retrain()
    assert _status(store, info) == ["KILLED", "KILLED"]


@pytest.mark.parametrize("method", ["log_batch", "log_text"])
def test_a_store_that_fails_as_a_run_begins_leaves_it_failed_and_gives_one_line(
    store: Store, info: RetrainInfo, monkeypatch: pytest.MonkeyPatch, method: str
) -> None:
    def failing(*_: object, **__: object) -> None:
        raise MlflowException("the server is down\nand more")

    monkeypatch.setattr(MlflowClient, method, failing)
    with pytest.raises(UserError, match="the server is down; the same"):
        open_retrain_run(store, info).__enter__()
    assert _status(store, info) == ["FAILED"]


@pytest.mark.parametrize(
    ("error", "kill"), [(KeyboardInterrupt, False), (RuntimeError, False), (RuntimeError, True)]
)
def test_the_same_retraining_is_resumed_in_its_runs(
    store: Store,
    info: RetrainInfo,
    result: Result,
    monkeypatch: pytest.MonkeyPatch,
    error: type[BaseException],
    kill: bool,
) -> None:
    with monkeypatch.context() as patch:
        if kill:
            patch.setattr(MlflowClient, "set_terminated", lambda *_: None)
        _interrupt(store, info, error, result(1))
    before = [run.info.run_id for run in _runs(store, info)]
    again = replace(info, command="another")
    with open_retrain_run(store, again) as run, run.open_seed_run(0) as seed_run:
        for epoch in (1, 2):
            seed_run.log_epoch(result(epoch))
    assert [run.info.run_id for run in _runs(store, info)] == before
    assert _status(store, info) == ["FINISHED", "FINISHED"]
    history = store.client.get_metric_history(before[1], "val/loss")
    assert [metric.step for metric in history] == [1, 2]
    command = Path(store.client.download_artifacts(before[0], "command.txt"))
    assert command.read_text() == f"{info.command}\n"


def test_a_finished_seed_is_read_as_it_was_logged(
    store: Store, info: RetrainInfo, final: TrainedModel
) -> None:
    with suppress(KeyboardInterrupt), open_retrain_run(store, info) as run:
        with run.open_seed_run(0) as seed_run:
            logged = seed_run.log_outcome(final)
        with run.open_seed_run(1):
            raise KeyboardInterrupt
    with open_retrain_run(store, info) as run:
        recorded = run.find_finished_seed(0)
        assert run.find_finished_seed(1) is None
        assert run.find_finished_seed(2) is None
    assert recorded is not None
    assert (recorded.model_uri, recorded.best.epoch) == (logged.model_uri, 2)
    assert recorded.best.confusion == logged.best.confusion
    assert recorded.best.metrics.items() < logged.best.metrics.items()
    assert {"train/accuracy", "val/accuracy", "val/macro_f1", "gap"} <= recorded.best.metrics.keys()
    np.testing.assert_array_equal(recorded.test.scores.confusion, logged.test.scores.confusion)
    assert (recorded.seed, recorded.run_id) == (0, logged.run_id)
    ours, theirs = recorded.test.predictions, logged.test.predictions
    np.testing.assert_array_equal(ours.predicted, theirs.predicted)


def test_a_training_is_found_again_by_all_that_decides_its_outcome(
    store: Store,
    info: RetrainInfo,
    final: TrainedModel,
) -> None:
    # Faces of its own: other tests of this store train the same configuration.
    study = replace(info.study, tags={**info.study.tags, tags.FACES_HASH: "earlier"})
    info = replace(info, study=study)
    with open_retrain_run(store, info) as run:
        with run.open_seed_run(0) as seed_run:
            logged = seed_run.log_outcome(final)
        with suppress(RuntimeError), run.open_seed_run(1):
            raise RuntimeError
    found = find_seed_in_any_retraining(store, info, 0)
    assert found is not None
    assert found.run_id == logged.run_id
    # As a version had it that did not know this parameter yet.
    with sqlite3.connect(store.uri.removeprefix("sqlite:///")) as database:
        database.execute(
            "DELETE FROM params WHERE run_uuid = ? AND key = 'averaging'", [logged.run_id]
        )
    found = find_seed_in_any_retraining(store, info, 0)
    assert found is not None
    assert found.run_id == logged.run_id
    other = TrialConfig(dropout=0.1)
    for unlike in (
        replace(info, epochs=3),
        replace(info, faces_params={"train_faces": 300, "faces_seed": 0}),
        replace(info, trial=replace(info.trial, config=other)),
        replace(info, study=replace(study, metric="gap")),
        replace(info, study=replace(study, tags={**study.tags, tags.FACES_HASH: "others"})),
    ):
        assert find_seed_in_any_retraining(store, unlike, 0) is None
    assert find_seed_in_any_retraining(store, info, 1) is None  # it failed
    assert find_seed_in_any_retraining(store, info, 2) is None
    store.client.log_param(logged.run_id, "of_a_later_version", "1")
    assert find_seed_in_any_retraining(store, info, 0) is None


def test_a_seed_that_trained_on_a_sample_is_found_for_the_same_sample_only(
    store: Store, info: RetrainInfo, final: TrainedModel
) -> None:
    sampled = replace(info, faces_params={"train_faces": 300, "faces_seed": 0})
    with open_retrain_run(store, sampled) as run, run.open_seed_run(41) as seed_run:
        logged = seed_run.log_outcome(final)
    found = find_seed_in_any_retraining(store, sampled, 41)
    assert found is not None
    assert found.run_id == logged.run_id
    for params in ({}, {"train_faces": 300, "faces_seed": 1}, {"faces_seed": 0}):
        other = replace(info, faces_params=params)
        assert find_seed_in_any_retraining(store, other, 41) is None


@pytest.mark.parametrize("params", [{"train_faces": 300, "faces_seed": 0}, {"faces_seed": 5}])
def test_a_retraining_is_resumed_with_the_same_training_faces_only(
    store: Store, info: RetrainInfo, params: dict[str, object]
) -> None:
    drawn = replace(info, faces_params=params)
    _interrupt(store, drawn, KeyboardInterrupt)
    assert has_unfinished_run(store, drawn)
    assert not has_unfinished_run(store, info)
    _interrupt(store, info, KeyboardInterrupt)
    assert len(_status(store, info)) == 4
    for each in (drawn, info):
        with open_retrain_run(store, each) as run, run.open_seed_run(0):
            pass
    assert _status(store, info) == ["FINISHED"] * 4


@pytest.mark.parametrize("file", ["confusion.csv", "test_predictions.csv"])
@pytest.mark.parametrize("content", ["", "true,happy\nhappy,many\n", "happy\n1\n"])
def test_a_finished_seed_that_something_else_changed_gives_one_line(
    store: Store, info: RetrainInfo, final: TrainedModel, content: str, file: str
) -> None:
    with suppress(KeyboardInterrupt), open_retrain_run(store, info) as run:
        with run.open_seed_run(0) as seed_run:
            seed_run.log_outcome(final)
        store.client.log_text(seed_run.run_id, content, file)
        raise KeyboardInterrupt
    with (
        pytest.raises(UserError, match="is not as a study leaves it"),
        open_retrain_run(store, info) as run,
    ):
        run.find_finished_seed(0)


def test_a_seed_that_is_not_wanted_any_more_does_not_stay_running(
    store: Store, info: RetrainInfo, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(MlflowClient, "set_terminated", lambda *_: None)
        _interrupt(store, info, RuntimeError)
    assert _status(store, info) == ["RUNNING", "RUNNING"]
    with open_retrain_run(store, info):
        pass
    assert _status(store, info) == ["FINISHED", "KILLED"]


def test_a_finished_retraining_and_one_of_another_length_are_left_alone(
    store: Store, info: RetrainInfo
) -> None:
    _interrupt(store, info, KeyboardInterrupt)
    assert has_unfinished_run(store, info)
    assert not has_unfinished_run(store, replace(info, epochs=3))
    with open_retrain_run(store, replace(info, epochs=3)):
        pass
    assert not has_unfinished_run(store, replace(info, epochs=3))
    with open_retrain_run(store, replace(info, epochs=3)):
        pass
    assert sorted(_status(store, info)) == ["FINISHED", "FINISHED", "KILLED", "KILLED"]
