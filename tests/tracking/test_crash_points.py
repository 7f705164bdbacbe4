"""Studies whose store fails, or whose driver dies, at every call of MLflow's client in turn."""

from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from itertools import groupby
from typing import Any, Self

import pytest
from mlflow import MlflowClient
from mlflow.exceptions import MlflowException

from fer_tune.events import Event
from fer_tune.scoring.metrics import EpochResult
from fer_tune.tracking import tags
from fer_tune.tracking.background_writer import BackgroundWriter
from fer_tune.tracking.find_study_run import find_parent_run
from fer_tune.tracking.queries import list_trial_runs
from fer_tune.tracking.recorder import EventRecorder
from fer_tune.tracking.store import Store
from fer_tune.tracking.study_and_retrain_info import StudyInfo
from fer_tune.tracking.study_run import StudyEnded

Describe = Callable[..., StudyInfo]
Result = Callable[..., EpochResult]
Events = Callable[..., list[Event]]

# All but delete_run, which cleans up after one of these that failed.
CALLS = (
    *("search_runs", "get_run", "list_artifacts", "create_run", "update_run", "set_terminated"),
    *("log_batch", "log_text", "log_image", "set_tag", "delete_tag", "set_experiment_tag"),
)
END = StudyEnded("finished", "Best: trial 0.", time=9)


class Killed(BaseException):
    """The driver was killed."""


@dataclass
class Faults:
    """Makes each call fail twice before it succeeds: once before it acts, once after.

    once: fail twice a method, not twice for all arguments.
    """

    error: type[BaseException]
    once: bool = False
    caused: int = 0
    _times: dict[str, int] = field(default_factory=dict)

    def around(self, name: str) -> Callable[..., Any]:
        whole = getattr(MlflowClient, name)

        def call(client: MlflowClient, *args: Any, **kwargs: Any) -> Any:
            # A picture is written as its address in memory, which differs from call to call.
            given = args[:1] if name == "log_image" else (args, kwargs)
            which = name if self.once else f"{name} {given}"
            times = self._times[which] = self._times.get(which, 0) + 1
            self.caused += times <= 2
            if times == 1:
                raise self.error("not done")
            answer = whole(client, *args, **kwargs)
            if times == 2:
                raise self.error("done, but the answer is lost")
            return answer

        return call

    def __enter__(self) -> Self:
        self._patch = pytest.MonkeyPatch()
        for name in CALLS:
            self._patch.setattr(MlflowClient, name, self.around(name))
        return self

    def __exit__(self, *_: object) -> None:
        self._patch.undo()


@pytest.fixture(autouse=True)
def _few_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Split the metrics of the second epoch into two batches: of the best epoch, and the others."""
    monkeypatch.setattr("fer_tune.tracking.recorder._METRICS_PER_BATCH", 46)


class Story(list[Event]):
    """The events of a study, which is also an EventSource."""

    def read_next(self, limit: int) -> Sequence[Event]:
        read = self[:limit]
        del self[:limit]
        return read

    def count_unread(self) -> int:
        return len(self)


@pytest.fixture
def story(events: Events, result: Result) -> Story:
    """Return the events of three trials: one resumed and completed, one failed, one running.

    The first is repeated, as a finalist is.
    """
    first, second, third = (result(epoch + 1, right) for epoch, right in enumerate([40, 76, 58]))
    sent = events(0, first, second, ending="interrupted")
    sent += events(1, first, ending="failed", error="Traceback ...\nValueError: no")
    sent += events(0, third, ending="finished")
    sent += events(2, first)
    return Story(sent + events(2_000_000, first, ending="finished", repeat_of=0))


def _record(recorder: EventRecorder, story: Story) -> None:
    by_trial = sorted(story, key=lambda event: event.number)
    for _, events in groupby(by_trial, key=lambda event: event.number):
        recorder.record_events(list(events))
    recorder.record_events([END])


def _recorded(store: Store, name: str) -> dict[int, dict[str, Any]]:
    """Return what MLflow has of each trial and repeat, by number; the study has the number -1."""
    client, parent = store.client, find_parent_run(store, name)
    assert parent is not None
    runs: dict[int, dict[str, Any]] = {}
    nested = [list_trial_runs(store, parent.info.run_id, tag) for tag in (tags.TRIAL, tags.REPEAT)]
    for run in (parent, *nested[0], *nested[1]):
        number = int(run.data.tags.pop(tags.TRIAL, run.data.tags.get(tags.REPEAT, -1)))
        assert number not in runs
        for own in (tags.STUDY, tags.PARENT, "mlflow.runName"):
            run.data.tags.pop(own, None)
        if tags.NOTE in run.data.tags:
            note = run.data.tags[tags.NOTE]
            run.data.tags[tags.NOTE] = note.replace(parent.info.run_id, "RUN")
        runs[number] = {
            name: [(each.step, each.value) for each in client.get_metric_history(run_id, name)]
            for name in run.data.metrics
            if (run_id := run.info.run_id)
        }
        runs[number]["ended"] = run.info.status, run.info.end_time
        runs[number]["described"] = run.data.params, run.data.tags
        runs[number]["files"] = {file.path for file in client.list_artifacts(run.info.run_id)}
    return runs


@pytest.fixture
def expected(store: Store, describe: Describe, story: Story) -> dict[int, dict[str, Any]]:
    """Return what is recorded of the story if nothing fails."""
    study = describe(name=f"{describe().name} undisturbed")
    _record(EventRecorder(store, study, resume=False), story)
    return _recorded(store, study.name)


def test_a_store_that_fails_at_every_call_loses_and_doubles_nothing(
    store: Store,
    describe: Describe,
    story: Story,
    expected: dict[int, dict[str, Any]],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for name, value in {
        "_RETRY_SECONDS": 0.0,
        "_GATHER_SECONDS": 0.0,
        "current_time_ms": lambda: END.time,
    }.items():
        monkeypatch.setattr(f"fer_tune.tracking.background_writer.{name}", value)
    sent = Story()
    writer = BackgroundWriter(store, describe(), sent)
    with Faults(MlflowException) as faults:
        sent += story
        writer.on_event(story[-1])
        assert writer.close(END.ending, END.summary) is None
    assert faults.caused > 40
    assert _recorded(store, describe().name) == expected


def test_a_study_whose_store_fails_as_it_begins_can_be_begun_again(
    store: Store, describe: Describe, story: Story, expected: dict[int, dict[str, Any]]
) -> None:
    recorder = None
    with Faults(MlflowException, once=True) as faults:
        while recorder is None:
            with suppress(MlflowException):
                recorder = EventRecorder(store, describe(), resume=False)
    assert faults.caused == 16
    _record(recorder, story)
    assert _recorded(store, describe().name) == expected


def test_a_driver_killed_at_every_call_loses_and_doubles_nothing(
    store: Store, describe: Describe, story: Story, expected: dict[int, dict[str, Any]]
) -> None:
    resumes, is_over = 0, False
    with Faults(Killed) as faults:
        while not is_over:
            try:
                _record(EventRecorder(store, describe(), resume=resumes > 0), story)
                is_over = True
            except Killed:
                resumes += 1
    assert resumes == faults.caused > 40
    assert _recorded(store, describe().name) == expected


@pytest.mark.parametrize("resumed", [False, True])
def test_a_run_that_a_server_creates_late_is_deleted_or_used(
    store: Store,
    describe: Describe,
    story: Story,
    expected: dict[int, dict[str, Any]],
    resumed: bool,
) -> None:
    recorder = EventRecorder(store, describe(), resume=False)
    late: list[Callable[[], Any]] = []

    def hangs(client: MlflowClient, *args: Any, **kwargs: Any) -> None:
        late.append(lambda: whole(client, *args, **kwargs))
        raise MlflowException("timed out")

    whole = MlflowClient.create_run
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(MlflowClient, "create_run", hangs)
        with pytest.raises(MlflowException):
            _record(recorder, story)
    if resumed:
        recorder = EventRecorder(store, describe(), resume=True)
    recorder.record_events(story[:1])
    late.pop()()
    assert len(list_trial_runs(store, recorder.run_id)) == 2
    _record(recorder, story)
    assert _recorded(store, describe().name) == expected
