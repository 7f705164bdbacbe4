import threading
from collections.abc import Callable, Sequence

import pytest
import requests
from mlflow.exceptions import MlflowException
from mlflow.protos.databricks_pb2 import (
    ENDPOINT_NOT_FOUND,
    REQUEST_LIMIT_EXCEEDED,
    RESOURCE_DOES_NOT_EXIST,
    UNAUTHENTICATED,
)

from fer_tune.common.errors import UserError
from fer_tune.events import EpochEnded, Event
from fer_tune.scoring.metrics import EpochResult
from fer_tune.tracking.background_writer import BackgroundWriter
from fer_tune.tracking.queries import find_study, list_trial_runs, list_trials
from fer_tune.tracking.recorder import EventRecorder
from fer_tune.tracking.store import Store
from fer_tune.tracking.study_and_retrain_info import StudyInfo

Describe = Callable[..., StudyInfo]
Result = Callable[..., EpochResult]
Events = Callable[..., list[Event]]


def _answer(status: int) -> requests.Response:
    answer = requests.Response()
    answer.status_code = status
    return answer


class MemorySource:
    """An EventSource in memory."""

    def __init__(self, events: Sequence[Event] = ()) -> None:
        self._events = list(events)

    def send(self, writer: BackgroundWriter, *events: Event) -> None:
        for event in events:
            self._events.append(event)
            writer.on_event(event)

    def read_next(self, limit: int) -> Sequence[Event]:
        read = self._events[:limit]
        del self._events[:limit]
        return read

    def count_unread(self) -> int:
        return len(self._events)


@pytest.mark.parametrize("error", [KeyboardInterrupt, RuntimeError])
def test_no_run_stays_running_when_the_driver_fails(
    store: Store, describe: Describe, result: Result, events: Events, error: type[BaseException]
) -> None:
    def study() -> None:
        source = MemorySource()
        with BackgroundWriter(store, describe(), source) as writer:
            source.send(writer, *events(0, result(1)), *events(1))
            raise error

    with pytest.raises(error):
        study()
    found = find_study(store, describe().name)
    assert found.ending == ("interrupted" if error is KeyboardInterrupt else "failed")
    runs = list_trial_runs(store, found.run_id)
    assert [run.info.status for run in runs] == ["KILLED", "KILLED"]


def test_a_store_that_fails_for_a_moment_loses_nothing_and_is_reported_once(
    store: Store,
    describe: Describe,
    result: Result,
    events: Events,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    whole, failures = EventRecorder.record_events, iter([OSError("disk is full")])

    def record(self: EventRecorder, events: Sequence[Event]) -> None:
        for failure in failures:
            raise failure
        whole(self, events)

    monkeypatch.setattr(EventRecorder, "record_events", record)
    source = MemorySource(events(0, *map(result, range(1, 9)), ending="finished"))
    with BackgroundWriter(store, describe(), source) as writer:
        assert writer.close("finished") is None
    assert capsys.readouterr().err.count("disk is full") == 1
    (trial,) = list_trials(store, find_study(store, describe().name))
    assert (trial.epochs, trial.ending) == (8, "finished")


def test_an_event_that_cannot_be_recorded_takes_no_other_with_it(
    store: Store, describe: Describe, result: Result, events: Events
) -> None:
    metrics = {**result(2).metrics, "x" * 251: 1.0}  # MLflow refuses such a long name
    results = [result(1), EpochResult(2, metrics, []), result(3)]
    source = MemorySource(events(0, *results, ending="finished"))
    missing = BackgroundWriter(store, describe(), source).close("finished")
    assert missing is not None
    assert "1 record is missing" in missing
    (trial,) = list_trials(store, find_study(store, describe().name))
    assert (trial.epochs, trial.ending) == (3, "finished")
    history = store.client.get_metric_history(trial.run_id, "val/loss")
    assert [metric.step for metric in history] == [1, 3]


def test_a_store_that_stays_away_is_reported_at_the_end(
    store: Store, describe: Describe, events: Events, monkeypatch: pytest.MonkeyPatch
) -> None:
    def record(self: EventRecorder, events: object) -> None:  # noqa: ARG001
        raise OSError("disk is full")

    monkeypatch.setattr(EventRecorder, "record_events", record)
    for name in ("_PROGRESS_SECONDS", "_SILENCE_SECONDS"):
        monkeypatch.setattr(f"fer_tune.tracking.background_writer.{name}", 0.5)
    missing = BackgroundWriter(store, describe(), MemorySource(events(0))).close("finished")
    assert missing is not None
    assert "2 records are missing" in missing
    assert "disk is full" in missing
    assert "resume the study" in missing


def test_a_store_that_never_answers_holds_up_neither_the_study_nor_its_end(
    store: Store,
    describe: Describe,
    result: Result,
    events: Events,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    asked, answer = threading.Event(), threading.Event()
    whole = EventRecorder.record_events

    def record(self: EventRecorder, events: Sequence[Event]) -> None:
        asked.set()
        answer.wait()
        whole(self, events)

    for name, seconds in {
        "_GATHER_SECONDS": 0.0,
        "_PROGRESS_SECONDS": 0.2,
        "_SILENCE_SECONDS": 0.4,
    }.items():
        monkeypatch.setattr(f"fer_tune.tracking.background_writer.{name}", seconds)
    monkeypatch.setattr(EventRecorder, "record_events", record)
    source = MemorySource(events(0, result(1)))
    writer = BackgroundWriter(store, describe(), source)
    asked.wait()
    for epoch in range(2, 5001):
        source.send(writer, EpochEnded(number=0, result=result(epoch)))
    # No more than was read before is in memory.
    assert source.count_unread() == 4999
    missing = writer.close("finished")
    assert missing is not None
    assert "5,002 records are missing" in missing
    assert "does not answer" in missing
    answer.set()


def test_a_study_that_outruns_its_store_is_read_piece_by_piece(
    store: Store,
    describe: Describe,
    result: Result,
    events: Events,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("fer_tune.tracking.background_writer._MAX_EVENTS", 3)
    both = [events(number, *map(result, range(1, 5)), ending="finished") for number in (0, 1)]
    source = MemorySource([event for pair in zip(*both, strict=True) for event in pair])
    assert BackgroundWriter(store, describe(), source).close("finished") is None
    recorded = list_trials(store, find_study(store, describe().name))
    assert [(trial.epochs, trial.ending) for trial in recorded] == [(4, "finished")] * 2


@pytest.mark.parametrize(
    ("error", "is_kept"),
    [
        (MlflowException("a proxy", error_code=ENDPOINT_NOT_FOUND), True),
        (MlflowException("slow down", error_code=REQUEST_LIMIT_EXCEEDED), True),
        (MlflowException("who are you?", error_code=UNAUTHENTICATED), True),
        (MlflowException("no such run", error_code=RESOURCE_DOES_NOT_EXIST), False),
        (requests.HTTPError(response=_answer(503)), True),
        (requests.HTTPError(response=_answer(413)), False),
        (requests.ConnectionError(), True),
        (TypeError("ours"), False),
    ],
)
def test_a_failed_request_is_repeated_and_a_refused_one_is_not(
    store: Store,
    describe: Describe,
    events: Events,
    monkeypatch: pytest.MonkeyPatch,
    error: Exception,
    is_kept: bool,
) -> None:
    whole, failures = EventRecorder.record_events, iter([error, error])

    def record(self: EventRecorder, events: Sequence[Event]) -> None:
        for failure in failures:
            raise failure
        whole(self, events)

    monkeypatch.setattr(EventRecorder, "record_events", record)
    monkeypatch.setattr("fer_tune.tracking.background_writer._RETRY_SECONDS", 0.0)
    missing = BackgroundWriter(store, describe(), MemorySource(events(0))).close("finished")
    assert (missing is None) == is_kept


def test_a_store_that_fails_at_the_start_gives_one_line(
    store: Store, describe: Describe, monkeypatch: pytest.MonkeyPatch
) -> None:
    def log_text(*_: object) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr("mlflow.MlflowClient.log_text", log_text)
    with pytest.raises(UserError, match="Permission denied"):
        BackgroundWriter(store, describe(), MemorySource())


def test_two_studies_share_a_local_store(
    store: Store, describe: Describe, result: Result, events: Events
) -> None:
    name = describe().name
    sent = events(0, *map(result, range(1, 6)))
    pair = [
        BackgroundWriter(store, describe(name=f"{name} {i}"), MemorySource(sent)) for i in range(2)
    ]
    assert [writer.close("finished") for writer in pair] == [None, None]
    for i in range(2):
        (trial,) = list_trials(store, find_study(store, f"{name} {i}"))
        assert trial.epochs == 5
