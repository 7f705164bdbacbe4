import sys
from collections.abc import Callable, Iterable
from dataclasses import replace
from itertools import groupby
from pathlib import Path
from typing import Any

import pytest
from mlflow import MlflowClient
from mlflow.exceptions import MlflowException

from fer_tune.common.errors import UserError
from fer_tune.data.faces import EMOTIONS
from fer_tune.events import Ending, Event, TrialEnded, TrialStarted
from fer_tune.scoring.metrics import EpochResult
from fer_tune.tracking import tags
from fer_tune.tracking.find_study_run import find_parent_run
from fer_tune.tracking.queries import TrialRun, find_study, list_trial_runs, list_trials
from fer_tune.tracking.recorder import EventRecorder
from fer_tune.tracking.store import Store
from fer_tune.tracking.study_and_retrain_info import StudyInfo
from fer_tune.tracking.study_run import StudyEnded
from fer_tune.trial_config import TrialConfig

Describe = Callable[..., StudyInfo]
Result = Callable[..., EpochResult]
Events = Callable[..., list[Event]]

AT_ONCE = 1
CONFIG = TrialConfig(learning_rate=3.1e-4, dropout=0.4, depth=4, data_plan="balanced")


@pytest.fixture(params=[1, 100], ids=["one by one", "all at once"], autouse=True)
def _at_once(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Run each test twice: with events recorded one by one, and all at once."""
    monkeypatch.setattr(sys.modules[__name__], "AT_ONCE", request.param)


def _record(recorder: EventRecorder, sent: Iterable[Event], ending: Ending | None = None) -> None:
    for _, events in groupby(sent, key=lambda event: event.number):
        left = list(events)
        while left:
            recorder.record_events(left[:AT_ONCE])
            del left[:AT_ONCE]
    if ending:
        recorder.record_events([StudyEnded(ending, "Best: trial 3.", time=9)])


def _trials(store: Store, describe: Describe) -> list[TrialRun]:
    return list_trials(store, find_study(store, describe().name))


def _status(store: Store, name: str) -> list[str]:
    """Return the status of the parent run, then of the run of each trial by number."""
    parent = find_parent_run(store, name)
    assert parent is not None
    children = [store.client.get_run(t.run_id) for t in list_trials(store, find_study(store, name))]
    return [run.info.status for run in (parent, *children)]


def _artifacts(store: Store, run_id: str) -> set[str]:
    return {file.path for file in store.client.list_artifacts(run_id)}


def _fails_once(monkeypatch: pytest.MonkeyPatch, method: str) -> None:
    """Make the next call of the client's method fail before it does anything."""
    whole, failures = getattr(MlflowClient, method), iter([MlflowException("a hiccup")])

    def failing(self: MlflowClient, *args: Any, **kwargs: Any) -> Any:
        for failure in failures:
            raise failure
        return whole(self, *args, **kwargs)

    monkeypatch.setattr(MlflowClient, method, failing)


def test_a_study_is_one_parent_run_with_its_space_and_command(
    store: Store, describe: Describe
) -> None:
    recorder = EventRecorder(store, describe(), resume=False)
    _record(recorder, [], "finished")
    parent = store.client.get_run(recorder.run_id)
    assert parent.info.run_name == describe().name
    artifacts = {"space.yaml", "command.txt", "trials.csv"}
    assert _artifacts(store, recorder.run_id) == artifacts
    assert parent.data.params == {"epochs": "4"}
    assert parent.data.tags[tags.SOURCE] == "demo faces"
    assert parent.data.tags[tags.SEED] == "7"
    assert parent.data.tags[tags.PROTOCOL] == "training faces train"
    assert parent.data.tags[tags.CODE_VERSION] == "0.1.0"
    assert "Best: trial 3." in parent.data.tags[tags.NOTE]


def test_the_front_of_a_study_is_an_artifact_of_its_run(store: Store, describe: Describe) -> None:
    recorder = EventRecorder(store, describe(), resume=False)
    recorder.record_events(
        [StudyEnded("finished", "", time=9, files={"front.csv": "trial,gap\n0,0.1\n"})]
    )
    assert "front.csv" in _artifacts(store, recorder.run_id)


def test_what_a_trial_does_not_have_is_no_parameter_and_reads_back_as_the_baselines(
    store: Store, describe: Describe
) -> None:
    config = TrialConfig(depth=4)
    started = TrialStarted(number=0, name="000", config=config, absent=("mixup", "dropout"))
    _record(EventRecorder(store, describe(), resume=False), [started])
    (trial,) = _trials(store, describe)
    assert trial.config == config
    params = store.client.get_run(trial.run_id).data.params
    assert TrialConfig.model_fields.keys() - params.keys() == {"mixup", "dropout"}


def test_the_faces_and_steps_of_an_epoch_are_parameters_and_are_read_back(
    store: Store, describe: Describe
) -> None:
    begun = [
        TrialStarted(number=0, name="000", config=CONFIG, faces_per_epoch=770, steps_per_epoch=7),
        TrialStarted(number=1, name="001", config=CONFIG),
    ]
    _record(EventRecorder(store, describe(), resume=False), begun)
    first, older = _trials(store, describe)
    assert first.config == older.config == CONFIG
    assert (first.epoch_sizes, older.epoch_sizes) == (
        {"faces_per_epoch": 770, "steps_per_epoch": 7},
        {},
    )


def test_metrics_carry_the_fixed_names(
    store: Store, describe: Describe, result: Result, events: Events
) -> None:
    _record(EventRecorder(store, describe(), resume=False), events(0, result(1)))
    (trial,) = _trials(store, describe)
    single = {
        f"val_{measure}/{name}" for measure in ("precision", "recall", "f1") for name in EMOTIONS
    }
    assert set(trial.metrics) == single | {
        "epoch",
        "gap",
        "train/accuracy",
        "train/loss",
        "val/accuracy",
        "val/loss",
        "val/macro_f1",
        "val/polarity_accuracy",
    }
    assert set(trial.best_metrics) == {
        "epoch",
        "gap",
        "train_accuracy",
        "train_loss",
        "accuracy",
        "loss",
        "macro_f1",
        "polarity_accuracy",
    }


def test_parameters_give_the_configuration_back(
    store: Store, describe: Describe, events: Events
) -> None:
    _record(EventRecorder(store, describe(), resume=False), events(0, config=CONFIG))
    (trial,) = _trials(store, describe)
    assert trial.config == CONFIG
    assert trial.name == "trial 0"


@pytest.mark.parametrize(
    ("ending", "word", "status"),
    [
        ("finished", "completed", "FINISHED"),
        ("stopped", "pruned", "FINISHED"),
        ("failed", "failed", "FAILED"),
        ("paused", "paused", "SCHEDULED"),
        ("interrupted", "interrupted", "KILLED"),
    ],
)
def test_a_trials_run_ends_as_the_trial_did(
    store: Store, describe: Describe, events: Events, ending: Ending, word: str, status: str
) -> None:
    _record(EventRecorder(store, describe(), resume=False), events(0, ending=ending), "finished")
    (trial,) = _trials(store, describe)
    assert trial.ending == ending
    assert store.client.get_run(trial.run_id).data.tags["fer_tune.ended"] == word
    assert _status(store, describe().name) == ["FINISHED", status]


@pytest.mark.parametrize("ending", ["finished", "stopped", "paused", "interrupted"])
def test_endings_in_the_words_of_older_versions_are_read(
    store: Store, describe: Describe, result: Result, events: Events, ending: Ending
) -> None:
    sent = events(0, result(1), ending=ending)
    recorder, client = EventRecorder(store, describe(), resume=False), store.client
    _record(recorder, sent, "finished")
    (run,) = list_trial_runs(store, recorder.run_id)
    for run_id, word in ((run.info.run_id, ending), (recorder.run_id, "finished")):
        client.set_tag(run_id, "fer_tune.ended", word)
    assert find_study(store, describe().name).ending == "finished"
    assert [trial.ending for trial in _trials(store, describe)] == [ending]
    before = client.get_run(run.info.run_id).info.end_time
    _record(EventRecorder(store, describe(), resume=True), sent, "finished")
    assert client.get_run(run.info.run_id).info.end_time == before
    assert client.get_run(recorder.run_id).data.tags["fer_tune.ended"] == "completed"


def test_a_failed_trial_has_its_error(store: Store, describe: Describe, events: Events) -> None:
    error = "Traceback ...\nFloatingPointError: the loss is NaN\n"
    _record(EventRecorder(store, describe(), resume=False), events(0, ending="failed", error=error))
    (trial,) = _trials(store, describe)
    found = store.client.get_run(trial.run_id)
    assert found.data.tags[tags.ERROR] == "FloatingPointError: the loss is NaN"
    artifact = Path(store.client.download_artifacts(trial.run_id, "error.txt"))
    assert artifact.read_text() == error


def test_the_best_epoch_is_kept_and_its_confusion_drawn(
    store: Store, describe: Describe, result: Result, events: Events
) -> None:
    results = [result(epoch, right) for epoch, right in enumerate([40, 76, 58], start=1)]
    sent = events(0, *results, ending="finished")
    _record(EventRecorder(store, describe(), resume=False), sent)
    (trial,) = _trials(store, describe)
    assert trial.best_metrics["epoch"] == 2
    assert trial.best_metrics["accuracy"] == pytest.approx(0.76)
    assert trial.metrics["val/accuracy"] == pytest.approx(0.58)
    assert _artifacts(store, trial.run_id) == {"confusion.png", "confusion.csv"}
    table = Path(store.client.download_artifacts(trial.run_id, "confusion.csv"))
    assert table.read_text().splitlines()[1] == "angry,76,4,4,4,4,4,4"


def test_less_is_better_if_the_metric_is_a_loss(
    store: Store, describe: Describe, result: Result, events: Events
) -> None:
    results = [result(epoch, loss=loss) for epoch, loss in enumerate([0.9, 0.5, 0.7], start=1)]
    _record(EventRecorder(store, describe(metric="val/loss"), resume=False), events(0, *results))
    (trial,) = _trials(store, describe)
    assert (trial.best_metrics["epoch"], trial.best_metrics["loss"]) == (2, 0.5)


def test_a_replay_after_a_kill_doubles_nothing(
    store: Store, describe: Describe, result: Result, events: Events
) -> None:
    killed = EventRecorder(store, describe(), resume=False)
    _record(killed, events(0, result(1), result(2)) + events(1, result(1)))

    again = EventRecorder(store, describe(), resume=True)
    for number, epochs in ((0, 3), (1, 2)):
        results = [result(epoch) for epoch in range(1, epochs + 1)]
        _record(again, events(number, *results, ending="stopped"))
    _record(again, [], "finished")

    assert again.run_id == killed.run_id
    assert _status(store, describe().name) == ["FINISHED", "FINISHED", "FINISHED"]
    for trial, epochs in zip(_trials(store, describe), (3, 2), strict=True):
        history = store.client.get_metric_history(trial.run_id, "val/loss")
        assert [metric.step for metric in history] == list(range(1, epochs + 1))


def test_the_time_of_an_epoch_is_recorded_beside_its_scores(
    store: Store, describe: Describe, result: Result, events: Events
) -> None:
    timed = (replace(result(epoch), seconds=epoch / 2) for epoch in (1, 2))
    _record(EventRecorder(store, describe(), resume=False), events(0, *timed))
    (trial,) = _trials(store, describe)
    history = store.client.get_metric_history(trial.run_id, "seconds")
    assert [(metric.step, metric.value) for metric in history] == [(1, 0.5), (2, 1.0)]


def test_a_finished_trial_is_not_touched_by_a_replay(
    store: Store, describe: Describe, result: Result, events: Events
) -> None:
    sent = events(0, result(1), ending="stopped")
    recorder = EventRecorder(store, describe(), resume=False)
    _record(recorder, sent, "finished")
    (before,) = list_trial_runs(store, recorder.run_id)
    _record(EventRecorder(store, describe(), resume=True), sent, "finished")
    (after,) = list_trial_runs(store, recorder.run_id)
    assert after.info.end_time == before.info.end_time
    assert after.data.to_dictionary() == before.data.to_dictionary()


def test_an_interrupted_trial_is_resumed_in_its_run(
    store: Store, describe: Describe, result: Result, events: Events
) -> None:
    _record(EventRecorder(store, describe(), resume=False), events(0, result(1)), "interrupted")
    assert _status(store, describe().name) == ["KILLED", "KILLED"]
    sent = events(0, result(1), result(2), ending="finished")
    _record(EventRecorder(store, describe(), resume=True), sent, "finished")
    (trial,) = _trials(store, describe)
    assert (trial.ending, trial.epochs) == ("finished", 2)
    assert _status(store, describe().name) == ["FINISHED", "FINISHED"]


def test_a_paused_trial_is_resumed_or_ends_in_its_run(
    store: Store, describe: Describe, result: Result, events: Events
) -> None:
    on, off = (events(number, result(1), ending="paused") for number in (0, 1))
    recorder = EventRecorder(store, describe(), resume=False)
    for sent in (on, off):
        _record(recorder, sent)
    assert _status(store, describe().name) == ["RUNNING", "SCHEDULED", "SCHEDULED"]
    assert not any(_artifacts(store, each.run_id) for each in _trials(store, describe))
    recorder = EventRecorder(store, describe(), resume=True)
    on += events(0, result(1), result(2), ending="finished")
    off += [TrialEnded(number=1, ending="stopped")]
    for sent in (on, off):
        _record(recorder, sent)
    _record(recorder, [], "finished")
    endings = [(each.ending, each.epochs) for each in _trials(store, describe)]
    assert endings == [("finished", 2), ("stopped", 1)]
    assert _status(store, describe().name) == ["FINISHED"] * 3
    assert all(_artifacts(store, each.run_id) for each in _trials(store, describe))
    # If the same events come again, nothing changes.
    _record(EventRecorder(store, describe(), resume=True), on)
    _record(recorder, [], "finished")
    assert [(each.ending, each.epochs) for each in _trials(store, describe)] == endings


def test_a_trial_that_was_cut_off_as_it_ended_is_resumed(
    store: Store, describe: Describe, result: Result, events: Events
) -> None:
    killed = EventRecorder(store, describe(), resume=False)
    _record(killed, events(0))
    (run,) = list_trial_runs(store, killed.run_id)
    store.client.set_terminated(run.info.run_id, "KILLED")
    sent = events(0, result(1), ending="stopped")
    _record(EventRecorder(store, describe(), resume=True), sent, "finished")
    assert _status(store, describe().name) == ["FINISHED", "FINISHED"]


def test_a_trial_that_was_cut_off_before_its_status_was_set_ends(
    store: Store, describe: Describe, result: Result, events: Events
) -> None:
    sent = events(0, result(1), ending="stopped")
    killed = EventRecorder(store, describe(), resume=False)
    _record(killed, sent)
    (run,) = list_trial_runs(store, killed.run_id)
    store.client.update_run(run.info.run_id, status="RUNNING")
    _record(EventRecorder(store, describe(), resume=True), sent, "finished")
    assert _status(store, describe().name) == ["FINISHED", "FINISHED"]


def test_more_is_recorded_at_once_than_mlflow_takes(
    store: Store, describe: Describe, result: Result, events: Events
) -> None:
    sent = events(0, *map(result, range(1, 51)), ending="finished")
    _record(EventRecorder(store, describe(), resume=False), sent)
    (trial,) = _trials(store, describe)
    history = store.client.get_metric_history(trial.run_id, "val/loss")
    assert sorted(metric.step for metric in history) == list(range(1, 51))


def test_a_name_that_is_taken_is_an_error_unless_the_study_is_resumed(
    store: Store, describe: Describe
) -> None:
    EventRecorder(store, describe(), resume=False)
    with pytest.raises(UserError, match="already in"):
        EventRecorder(store, describe(), resume=False)


@pytest.mark.parametrize("method", ["log_batch", "log_text"])
def test_no_half_of_a_study_is_left_if_it_cannot_be_described(
    store: Store, describe: Describe, monkeypatch: pytest.MonkeyPatch, method: str
) -> None:
    _fails_once(monkeypatch, method)
    with pytest.raises(MlflowException):
        EventRecorder(store, describe(), resume=False)
    assert find_parent_run(store, describe().name) is None


def test_a_hiccup_does_not_lose_the_best_epoch(
    store: Store,
    describe: Describe,
    result: Result,
    events: Events,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    recorder = EventRecorder(store, describe(), resume=False)
    *before, last = events(0, result(1, 40), result(2, 76))
    _record(recorder, before)
    _fails_once(monkeypatch, "log_batch")
    with pytest.raises(MlflowException):
        recorder.record_events([last])
    recorder.record_events([last])
    (trial,) = _trials(store, describe)
    assert trial.best_metrics["epoch"] == 2
    assert trial.best_metrics["accuracy"] == pytest.approx(0.76)


def test_a_hiccup_as_a_trial_begins_makes_no_second_run(
    store: Store, describe: Describe, events: Events, monkeypatch: pytest.MonkeyPatch
) -> None:
    recorder = EventRecorder(store, describe(), resume=False)
    _fails_once(monkeypatch, "log_batch")
    with pytest.raises(MlflowException):
        _record(recorder, events(0, config=CONFIG))
    _record(recorder, events(0, config=CONFIG))
    (run,) = list_trial_runs(store, recorder.run_id)
    assert TrialConfig.model_validate(run.data.params) == CONFIG


def test_a_run_that_was_made_though_its_answer_was_lost_is_the_trials(
    store: Store, describe: Describe, events: Events, monkeypatch: pytest.MonkeyPatch
) -> None:
    recorder, whole = EventRecorder(store, describe(), resume=False), MlflowClient.create_run

    def unanswered(self: MlflowClient, *args: Any, **kwargs: Any) -> None:
        whole(self, *args, **kwargs)
        raise MlflowException("timed out")

    with monkeypatch.context() as patch:
        patch.setattr(MlflowClient, "create_run", unanswered)
        with pytest.raises(MlflowException):
            _record(recorder, events(0, config=CONFIG))
    (made,) = list_trial_runs(store, recorder.run_id)
    _record(recorder, events(0, config=CONFIG))
    (run,) = list_trial_runs(store, recorder.run_id)
    assert run.info.run_id == made.info.run_id
    assert TrialConfig.model_validate(run.data.params) == CONFIG


def test_a_trial_that_was_killed_as_it_began_is_completed(
    store: Store, describe: Describe, events: Events, monkeypatch: pytest.MonkeyPatch
) -> None:
    killed = EventRecorder(store, describe(), resume=False)
    with monkeypatch.context() as patch:
        _fails_once(patch, "log_batch")
        with pytest.raises(MlflowException):
            _record(killed, events(0, config=CONFIG))
    assert _trials(store, describe) == []
    _record(EventRecorder(store, describe(), resume=True), events(0, config=CONFIG))
    (trial,) = _trials(store, describe)
    assert trial.config == CONFIG
    assert len(list_trial_runs(store, killed.run_id)) == 1


def test_a_study_that_was_killed_as_it_began_is_completed(
    store: Store, describe: Describe, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        patch.setattr("fer_tune.tracking.study_run._add_missing_info", lambda *_: None)
        killed = EventRecorder(store, describe(), resume=False)
    resumed = EventRecorder(store, describe(), resume=True)
    assert resumed.run_id == killed.run_id
    assert store.client.get_run(resumed.run_id).data.params == {"epochs": "4"}
    assert _artifacts(store, resumed.run_id) == {"space.yaml", "command.txt"}


def test_a_resumed_study_keeps_the_command_that_began_it(store: Store, describe: Describe) -> None:
    EventRecorder(store, describe(), resume=False)
    changed = describe(command="--resume", settings={"epochs": 4, "data": "moved.csv"})
    resumed = EventRecorder(store, changed, resume=True)
    command = Path(store.client.download_artifacts(resumed.run_id, "command.txt"))
    assert command.read_text() == "python -m fer_tune.search --space smoke\n"


def test_a_study_whose_store_is_gone_is_recorded_whole_in_an_empty_one(
    store: Store, describe: Describe, result: Result, events: Events
) -> None:
    sent = events(0, result(1), ending="interrupted") + events(0, result(2), ending="finished")
    _record(EventRecorder(store, describe(), resume=True), sent, "finished")
    (trial,) = _trials(store, describe)
    assert (trial.epochs, trial.ending) == (2, "finished")
    assert _status(store, describe().name) == ["FINISHED", "FINISHED"]


def test_a_resumed_trial_keeps_its_best_epoch_from_before(
    store: Store, describe: Describe, result: Result, events: Events
) -> None:
    before = events(0, result(1, 40), result(2, 76), ending="interrupted")
    _record(EventRecorder(store, describe(), resume=False), before, "interrupted")
    resumed = EventRecorder(store, describe(), resume=True)
    _record(resumed, before)
    _record(resumed, events(0, result(3, 58), ending="finished"), "finished")
    (trial,) = _trials(store, describe)
    assert (trial.epochs, trial.best_metrics["epoch"]) == (3, 2)
    table = Path(store.client.download_artifacts(trial.run_id, "confusion.csv"))
    assert table.read_text().splitlines()[1] == "angry,76,4,4,4,4,4,4"
