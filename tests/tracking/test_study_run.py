from collections.abc import Callable
from pathlib import Path

import pytest

from fer_tune.data.faces import EMOTIONS
from fer_tune.errors import UserError
from fer_tune.tracking import tags
from fer_tune.tracking.events import EpochEnded, StudyDescription, TrialStarted
from fer_tune.tracking.recorder import Recorder
from fer_tune.tracking.store import Store
from fer_tune.tracking.studies import find_study, study_run, trial_runs, trials
from fer_tune.tracking.study_run import StudyRun
from fer_tune.training.config import TrialConfig
from fer_tune.training.metrics import Ending, EpochResult

Describe = Callable[..., StudyDescription]
Result = Callable[..., EpochResult]

CONFIG = TrialConfig(learning_rate=3.1e-4, dropout=0.4, depth=4, data_plan="balanced")
PARAMS = {key: str(value) for key, value in CONFIG.model_dump().items()}


def _status(store: Store, name: str) -> list[str]:
    """Of the parent run, then of each trial's by number."""
    parent = study_run(store, name)
    assert parent is not None
    children = [store.client().get_run(t.run_id) for t in trials(store, find_study(store, name))]
    return [run.info.status for run in (parent, *children)]


def _artifacts(store: Store, run_id: str) -> set[str]:
    return {file.path for file in store.client().list_artifacts(run_id)}


def test_a_study_is_one_parent_run_with_its_space_and_command(
    store: Store, describe: Describe
) -> None:
    with StudyRun(store, describe()) as run:
        assert run.close("finished", "Best: trial 3.") is None
    client = store.client()
    parent = client.get_run(run.run_id)
    assert parent.info.run_name == describe().name
    assert _artifacts(store, run.run_id) == {"space.yaml", "command.txt"}
    assert parent.data.tags[tags.SOURCE] == "demo faces"
    assert parent.data.tags[tags.SEED] == "7"
    assert parent.data.tags[tags.PROTOCOL] == "training faces train"
    assert parent.data.tags[tags.CODE_VERSION] == "0.1.0"
    assert "Best: trial 3." in parent.data.tags[tags.NOTE]


def test_metrics_carry_the_fixed_names(store: Store, describe: Describe, result: Result) -> None:
    with StudyRun(store, describe()) as run:
        run.trial_started(0, "trial 0", CONFIG)
        run.epoch_ended(0, result(1))
        run.trial_ended(0, "finished")
        run.close("finished")
    (trial,) = trials(store, find_study(store, describe().name))
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
    assert set(trial.best) == {
        "epoch",
        "gap",
        "train_accuracy",
        "train_loss",
        "accuracy",
        "loss",
        "macro_f1",
        "polarity_accuracy",
    }


def test_parameters_give_the_configuration_back(store: Store, describe: Describe) -> None:
    with StudyRun(store, describe()) as run:
        run.trial_started(0, "trial 0 · lr 3.1e-4", CONFIG)
        run.close("finished")
    (trial,) = trials(store, find_study(store, describe().name))
    assert trial.config == CONFIG
    assert trial.name == "trial 0 · lr 3.1e-4"


@pytest.mark.parametrize(
    ("ending", "status"),
    [
        ("finished", "FINISHED"),
        ("stopped", "FINISHED"),
        ("failed", "FAILED"),
        ("interrupted", "KILLED"),
    ],
)
def test_a_trials_run_ends_as_the_trial_did(
    store: Store, describe: Describe, result: Result, ending: Ending, status: str
) -> None:
    with StudyRun(store, describe()) as run:
        run.trial_started(0, "trial 0", CONFIG)
        run.epoch_ended(0, result(1))
        run.trial_ended(0, ending)
        run.close("finished")
    (trial,) = trials(store, find_study(store, describe().name))
    assert trial.ending == ending
    assert _status(store, describe().name) == ["FINISHED", status]
    assert _artifacts(store, trial.run_id) == {"confusion.png", "confusion.csv"}


def test_a_broken_trial_says_what_broke_it(store: Store, describe: Describe) -> None:
    with StudyRun(store, describe()) as run:
        run.trial_started(0, "trial 0", CONFIG)
        run.trial_ended(0, "failed", "Traceback ...\nFloatingPointError: the loss is NaN\n")
        run.close("finished")
    (trial,) = trials(store, find_study(store, describe().name))
    found = store.client().get_run(trial.run_id)
    assert found.data.tags[tags.ERROR] == "FloatingPointError: the loss is NaN"
    assert _artifacts(store, trial.run_id) == {"error.txt"}


@pytest.mark.parametrize("error", [KeyboardInterrupt, RuntimeError])
def test_no_run_stays_running_when_the_driver_breaks_off(
    store: Store, describe: Describe, result: Result, error: type[BaseException]
) -> None:
    def study() -> None:
        with StudyRun(store, describe()) as run:
            run.trial_started(0, "trial 0", CONFIG)
            run.epoch_ended(0, result(1))
            run.trial_started(1, "trial 1", CONFIG)
            raise error

    with pytest.raises(error):
        study()
    parent = "KILLED" if error is KeyboardInterrupt else "FAILED"
    assert _status(store, describe().name) == [parent, "KILLED", "KILLED"]


def test_the_best_epoch_is_kept_and_its_confusion_drawn(
    store: Store, describe: Describe, result: Result
) -> None:
    with StudyRun(store, describe()) as run:
        run.trial_started(0, "trial 0", CONFIG)
        for epoch, right in enumerate([40, 76, 58], start=1):
            run.epoch_ended(0, result(epoch, right))
        run.trial_ended(0, "finished")
        run.close("finished")
    (trial,) = trials(store, find_study(store, describe().name))
    assert trial.best["epoch"] == 2
    assert trial.best["accuracy"] == pytest.approx(0.76)
    assert trial.metrics["val/accuracy"] == pytest.approx(0.58)
    table = Path(store.client().download_artifacts(trial.run_id, "confusion.csv"))
    assert table.read_text().splitlines()[1] == "angry,76,4,4,4,4,4,4"


def test_less_is_better_where_the_metric_is_a_loss_and_nan_never_is(
    store: Store, describe: Describe, result: Result
) -> None:
    with StudyRun(store, describe(metric="val/loss")) as run:
        run.trial_started(0, "trial 0", CONFIG)
        for epoch, loss in enumerate([0.9, 0.5, 0.7, float("nan")], start=1):
            run.epoch_ended(0, result(epoch, loss=loss))
        run.trial_ended(0, "failed", "diverged")
        run.close("finished")
    (trial,) = trials(store, find_study(store, describe().name))
    assert trial.epochs == 4
    assert (trial.best["epoch"], trial.best["loss"]) == (2, 0.5)


def test_a_replay_after_a_kill_doubles_nothing(
    store: Store, describe: Describe, result: Result
) -> None:
    killed = Recorder(store, describe(), resume=False)
    for event in (
        TrialStarted(0, "trial 0", PARAMS, 1),
        EpochEnded(0, result(1), 2),
        TrialStarted(1, "trial 1", PARAMS, 3),
        EpochEnded(1, result(1), 4),
        EpochEnded(0, result(2), 5),
    ):
        killed.record(event)

    with StudyRun(store, describe(), resume=True) as run:
        for number, epochs in ((0, 3), (1, 2)):
            run.trial_started(number, f"trial {number}", CONFIG)
            for epoch in range(1, epochs + 1):
                run.epoch_ended(number, result(epoch))
            run.trial_ended(number, "finished")
        run.close("finished")

    assert run.run_id == killed.run_id
    assert _status(store, describe().name) == ["FINISHED", "FINISHED", "FINISHED"]
    for child, epochs in zip(trial_runs(store, run.run_id), (3, 2), strict=True):
        history = store.client().get_metric_history(child.info.run_id, "val/loss")
        assert [metric.step for metric in history] == list(range(1, epochs + 1))


def test_a_finished_trial_is_not_touched_by_a_replay(
    store: Store, describe: Describe, result: Result
) -> None:
    def tell(run: StudyRun) -> None:
        run.trial_started(0, "trial 0", CONFIG)
        run.epoch_ended(0, result(1))
        run.trial_ended(0, "stopped")
        run.close("finished")

    with StudyRun(store, describe()) as run:
        tell(run)
    (before,) = trial_runs(store, run.run_id)
    with StudyRun(store, describe(), resume=True) as run:
        tell(run)
    (after,) = trial_runs(store, run.run_id)
    assert after.info.end_time == before.info.end_time
    assert after.data.to_dictionary() == before.data.to_dictionary()


def test_an_interrupted_trial_goes_on_in_its_run(
    store: Store, describe: Describe, result: Result
) -> None:
    with StudyRun(store, describe()) as run:
        run.trial_started(0, "trial 0", CONFIG)
        run.epoch_ended(0, result(1))
        run.close("interrupted")
    assert _status(store, describe().name) == ["KILLED", "KILLED"]
    with StudyRun(store, describe(), resume=True) as run:
        run.trial_started(0, "trial 0", CONFIG)
        run.epoch_ended(0, result(1))
        run.epoch_ended(0, result(2))
        run.trial_ended(0, "finished")
        run.close("finished")
    (trial,) = trials(store, find_study(store, describe().name))
    assert (trial.ending, trial.epochs) == ("finished", 2)
    assert _status(store, describe().name) == ["FINISHED", "FINISHED"]


def test_a_name_that_is_taken_is_an_error_unless_the_study_goes_on(
    store: Store, describe: Describe
) -> None:
    StudyRun(store, describe()).close("finished")
    with pytest.raises(UserError, match="already in"):
        StudyRun(store, describe())


def test_a_store_that_fails_for_a_moment_loses_nothing_and_is_told_once(
    store: Store,
    describe: Describe,
    result: Result,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    whole, failures = Recorder.record, iter([OSError("disk is full")])

    def record(self: Recorder, event: EpochEnded) -> None:
        for failure in failures:
            raise failure
        whole(self, event)

    monkeypatch.setattr(Recorder, "record", record)
    with StudyRun(store, describe()) as run:
        run.trial_started(0, "trial 0", CONFIG)
        for epoch in range(1, 9):
            run.epoch_ended(0, result(epoch))
        run.trial_ended(0, "finished")
        assert run.close("finished") is None
    assert capsys.readouterr().err.count("disk is full") == 1
    (trial,) = trials(store, find_study(store, describe().name))
    assert (trial.epochs, trial.ending) == (8, "finished")


def test_a_store_that_stays_away_is_reported_at_the_end(
    store: Store, describe: Describe, monkeypatch: pytest.MonkeyPatch
) -> None:
    def record(self: Recorder, event: object) -> None:  # noqa: ARG001
        raise OSError("disk is full")

    monkeypatch.setattr(Recorder, "record", record)
    monkeypatch.setattr("fer_tune.tracking.study_run._LAST_TRIES", 0)
    run = StudyRun(store, describe())
    run.trial_started(0, "trial 0", CONFIG)
    told = run.close("finished")
    assert told is not None
    assert "2 records are missing" in told
    assert "disk is full" in told


def test_two_studies_share_a_local_store(store: Store, describe: Describe, result: Result) -> None:
    name = describe().name
    pair = [StudyRun(store, describe(name=f"{name} {i}")) for i in range(2)]
    for epoch in range(6):
        for run in pair:
            if epoch == 0:
                run.trial_started(0, "trial 0", CONFIG)
            else:
                run.epoch_ended(0, result(epoch))
    assert [run.close("finished") for run in pair] == [None, None]
    for i in range(2):
        (trial,) = trials(store, find_study(store, f"{name} {i}"))
        assert trial.epochs == 5


def test_no_half_of_a_study_is_left_where_artifacts_cannot_be_written(
    store: Store, describe: Describe, monkeypatch: pytest.MonkeyPatch
) -> None:
    def log_text(*_: object) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr("mlflow.MlflowClient.log_text", log_text)
    with pytest.raises(UserError, match="Permission denied"):
        StudyRun(store, describe())
    assert study_run(store, describe().name) is None


def test_a_trial_that_was_cut_off_as_it_ended_goes_on(
    store: Store, describe: Describe, result: Result
) -> None:
    killed = Recorder(store, describe(), resume=False)
    killed.record(TrialStarted(0, "trial 0", PARAMS, 1))
    (run,) = trial_runs(store, killed.run_id)
    store.client().set_terminated(run.info.run_id, "KILLED")
    with StudyRun(store, describe(), resume=True) as again:
        again.trial_started(0, "trial 0", CONFIG)
        again.epoch_ended(0, result(1))
        again.trial_ended(0, "stopped")
        assert again.close("finished") is None
    assert _status(store, describe().name) == ["FINISHED", "FINISHED"]
