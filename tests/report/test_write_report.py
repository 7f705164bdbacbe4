import os
import shutil
from collections.abc import Callable, Sequence
from pathlib import Path
from unittest.mock import patch

import pytest

from fer_tune.common.console import create_console
from fer_tune.common.errors import UserError
from fer_tune.data.demo.demo_splits import draw_demo_splits
from fer_tune.data.faces import EMOTIONS
from fer_tune.events import EpochEnded, Event, TrialEnded, TrialStarted
from fer_tune.report.__main__ import main
from fer_tune.report.finalists import build_finalists_section
from fer_tune.report.load_study import load_study
from fer_tune.report.page import write_report_or_warn
from fer_tune.search.study_info import build_study_info
from fer_tune.study.records.event_log import EventLog
from fer_tune.study.records.settings import StudySettings
from fer_tune.study.records.study_storage import StudyStorage
from fer_tune.study.records.trial_record import TrialRecord
from fer_tune.study.search_space.load_space import parse_space
from fer_tune.tracking.queries import find_study
from fer_tune.tracking.recorder import EventRecorder
from fer_tune.tracking.store import Store, open_store
from fer_tune.tracking.ui_view_and_links import REPORT_FILE
from tests.finalists import add_repeat
from tests.machine import hold_read_only

SPACE = "parameters:\n  depth: {type: int, low: 1, high: 5}\n"

Trial = Callable[..., TrialRecord]
Begin = Callable[..., StudySettings]


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Store:
    return open_store(str(tmp_path_factory.mktemp("store") / "mlruns"))


@pytest.fixture
def storage(tmp_path: Path) -> StudyStorage:
    return StudyStorage(str(tmp_path / "studies"))


@pytest.fixture
def begin(request: pytest.FixtureRequest, store: Store, storage: StudyStorage) -> Begin:
    """Records a study of these trials, named after the test, in MLflow and in an event log."""

    def study(*trials: TrialRecord) -> StudySettings:
        settings = StudySettings(
            name=request.node.name,
            space_name="tested",
            space=parse_space(SPACE, "tested.yaml"),
            data=None,
            skip_bad=False,
            faces_hash=draw_demo_splits().content_hash(),
            train_faces=None,
            trials=len(trials),
            epochs=3,
            grace=1,
            reduction=3,
            metric="val/macro_f1",
            seed=0,
            tracking_uri=store.uri,
        )
        folder = storage.write_settings(settings)
        command = "python -m fer_tune.search --study tested"
        recorder = EventRecorder(
            store, build_study_info(settings, draw_demo_splits(), command), resume=False
        )
        event_log = EventLog(folder)
        for trial in (*trials, *(each for own in trials for each in own.repeats)):
            trial_events = events(trial)
            recorder.record_events(trial_events)
            for event in trial_events:
                event_log.on_event(event)
        event_log.close()
        return settings

    return study


def events(trial: TrialRecord) -> Sequence[Event]:
    number = trial.number
    finalist, config = trial.repeat_of, trial.config
    return [
        TrialStarted(number=number, name=trial.name, config=config, repeat_of=finalist),
        *(EpochEnded(number=number, result=result) for result in trial.history),
        *([TrialEnded(number=number, ending=trial.ending)] if trial.ending else []),
    ]


def test_a_study_is_the_same_from_its_event_log_and_from_mlflow(
    trial: Trial, begin: Begin, store: Store, storage: StudyStorage, tmp_path: Path
) -> None:
    name = begin(
        trial(0, 20, 22, 21), trial(1, 30, ending="stopped", depth=2), trial(2, ending="failed")
    ).name
    local, remote = (
        load_study(store, name, place)
        for place in (storage, StudyStorage(str(tmp_path / "nothing")))
    )
    assert local.classes == remote.classes == EMOTIONS
    assert local.space == remote.space
    for one, other in zip(local.trials, remote.trials, strict=True):
        assert (one.number, one.config, one.ending) == (other.number, other.config, other.ending)
        for first, second in zip(one.history, other.history, strict=True):
            assert first.epoch == second.epoch
            assert second.metrics == {name: first.metrics[name] for name in second.metrics}
    assert local.best.best_epoch.confusion == remote.best.best_epoch.confusion


def test_finalists_are_the_same_from_the_event_log_and_from_mlflow(
    trial: Trial, begin: Begin, store: Store, storage: StudyStorage, tmp_path: Path
) -> None:
    first, second = trial(0, 30), trial(1, 25)
    for finalist, right in ((first, 20), (second, 25)):
        for seed in (2, 3):
            add_repeat(finalist, seed, *trial(0, right, right).history)
    name = begin(first, second, trial(2, 20)).name
    local, remote = (
        load_study(store, name, place)
        for place in (storage, StudyStorage(str(tmp_path / "nothing")))
    )
    assert (local.best.number, remote.best.number) == (1, 1)
    assert local.best.means == pytest.approx(remote.best.means)
    sections = build_finalists_section(local), build_finalists_section(remote)
    assert sections[0] == sections[1] is not None
    assert [len(trial.repeats) for trial in remote.trials] == [2, 2, 0]
    assert remote.best.best_epoch.confusion


def test_an_event_log_of_another_study_with_this_name_is_not_used(
    trial: Trial, begin: Begin, store: Store, storage: StudyStorage, tmp_path: Path
) -> None:
    settings = begin(trial(0, 20), trial(1, 30))
    other_store = open_store(str(tmp_path / "mlruns"))
    recorder = EventRecorder(
        other_store, build_study_info(settings, draw_demo_splits(), ""), resume=False
    )
    recorder.record_events([each.model_copy(update={"time": 7}) for each in events(trial(0, 45))])
    first, second = (load_study(each, settings.name, storage) for each in (store, other_store))
    assert (first.has_local_log, len(first.trials)) == (True, 2)
    assert (second.has_local_log, len(second.trials)) == (False, 1)


def test_a_matrix_of_an_epoch_that_is_no_longer_the_best_is_left_out(
    trial: Trial, begin: Begin, store: Store, tmp_path: Path
) -> None:
    settings = begin(interrupted := trial(0, 20, ending="interrupted"))
    nowhere = StudyStorage(str(tmp_path / "nothing"))
    assert load_study(store, settings.name, nowhere).trials[0].history[0].confusion
    recorder = EventRecorder(store, build_study_info(settings, draw_demo_splits(), ""), resume=True)
    recorder.record_events([*events(interrupted)[:1], *events(trial(0, 20, 40))[2:-1]])
    study = load_study(store, settings.name, nowhere)
    assert [len(result.confusion) for result in study.trials[0].history] == [0, 0]
    assert study.classes == EMOTIONS


def test_in_a_container_the_address_of_the_page_in_mlflow_is_printed(
    trial: Trial,
    begin: Begin,
    store: Store,
    storage: StudyStorage,
    capsys: pytest.CaptureFixture[str],
) -> None:
    name = begin(trial(0, 20)).name
    named = storage.local_dir / "named.html"
    options = ["--study", name, "--tracking-uri", store.uri, "--storage", storage.address]
    with patch.dict(os.environ, {"FER_TUNE_MLFLOW_URL": "http://localhost:5000"}):
        main(options)
        shown = capsys.readouterr().out
        main([*options, "--output", str(named)])
    run_id = find_study(store, name).run_id
    address = f"http://localhost:5000/#/experiments/{store.experiment_id}/runs/{run_id}/artifacts"
    assert f"Report: {address}/{REPORT_FILE}\n" in shown
    assert f"Report: {named}\n" in capsys.readouterr().out


def test_the_command_writes_the_page_and_logs_it_to_mlflow(
    trial: Trial,
    begin: Begin,
    store: Store,
    storage: StudyStorage,
    capsys: pytest.CaptureFixture[str],
) -> None:
    name = begin(trial(0, 20), trial(1, 30, ending=None)).name
    main(["--study", name, "--tracking-uri", store.uri, "--storage", storage.address])
    written = storage.local_dir / name / REPORT_FILE
    assert f"Report: {written}" in capsys.readouterr().out
    assert store.find_text(find_study(store, name).run_id, REPORT_FILE) == written.read_text(
        "utf-8"
    )
    assert "python -m fer_tune.search --study tested" in written.read_text("utf-8")


def test_the_page_goes_where_the_user_wants_it(
    trial: Trial, begin: Begin, store: Store, tmp_path: Path
) -> None:
    name, output = begin(trial(0, 20)).name, tmp_path / "a folder" / "page.html"
    main(["--study", name, "--tracking-uri", store.uri, "--output", str(output)])
    assert output.read_text("utf-8").startswith("<!doctype html>")


def test_a_study_that_cannot_be_written_to_is_reported_elsewhere(
    trial: Trial,
    begin: Begin,
    store: Store,
    storage: StudyStorage,
    public_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    name, folder, output = begin(trial(0, 20)).name, public_path / "mlruns", public_path / "out"
    shutil.copytree(storage.local_dir, folder / "studies")
    shutil.copyfile(store.uri.removeprefix("sqlite:///"), folder / "mlflow.db")
    output.mkdir()
    output.chmod(0o777)
    options = ["--study", name, "--tracking-uri", str(folder), "--storage", f"{folder}/studies"]
    with hold_read_only(folder):
        main([*options, "--output", str(output / "page.html")])
        with pytest.raises(UserError, match=r"report\.html cannot be written: .* --output"):
            main(options)
    warnings = capsys.readouterr().err
    assert len([line for line in warnings.splitlines() if "cannot keep the report" in line]) == 1
    assert (output / "page.html").read_text("utf-8").startswith("<!doctype html>")


def test_a_missing_study_of_the_storage_is_resumed_to_be_recorded_again(
    trial: Trial, begin: Begin, store: Store, storage: StudyStorage, tmp_path: Path
) -> None:
    name = begin(trial(0, 20)).name
    client = store.client
    client.delete_run(find_study(store, name).run_id)
    for uri, problem in ((store.uri, "was deleted in MLflow"), (str(tmp_path), "no studies in")):
        with pytest.raises(UserError, match=problem) as error:
            main(["--study", name, "--tracking-uri", uri, "--storage", storage.address])
        command = f"-m fer_tune.search --resume {name} --storage {storage.address}"
        assert str(error.value).endswith(command)


def test_a_study_that_does_not_exist_is_reported_in_one_line(store: Store) -> None:
    with pytest.raises(UserError, match="study nothing is not in"):
        main(["--study", "nothing", "--tracking-uri", store.uri])


def test_named_faces_of_another_study_are_refused(
    trial: Trial, begin: Begin, store: Store, tmp_path: Path
) -> None:
    name = begin(trial(0, 20)).name
    rows = [
        f"{label},{' '.join([str(value)] * 2304)},Training"
        for label in range(7)
        for value in range(10, 200, 15)
    ]
    faces = tmp_path / "others.csv"
    faces.write_text("emotion,pixels,Usage\n" + "\n".join(rows) + "\n")
    with pytest.raises(UserError, match="are not the faces of study"):
        main(["--study", name, "--tracking-uri", store.uri, "--data", str(faces)])


def test_a_report_that_fails_is_one_warning_and_fails_nothing(
    trial: Trial,
    begin: Begin,
    store: Store,
    storage: StudyStorage,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    settings, splits = begin(trial(0, 20)), draw_demo_splits()

    def broken(*_: object) -> None:
        raise ZeroDivisionError("first\nsecond")

    monkeypatch.setattr("fer_tune.report.page.build_baseline_section", broken)
    write_report_or_warn(create_console(), store, settings.name, storage, splits, [])
    assert capsys.readouterr().err == f"Warning: no report of study {settings.name}: first\n"
