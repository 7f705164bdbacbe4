from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from fer_tune.common.console import create_console
from fer_tune.common.errors import UserError
from fer_tune.data.demo.demo_splits import draw_demo_splits
from fer_tune.data.faces import EMOTIONS
from fer_tune.events import EpochEnded, Event, TrialEnded, TrialStarted
from fer_tune.report.__main__ import main
from fer_tune.report.load_study import load_study
from fer_tune.search import conclude
from fer_tune.search.study_info import build_study_info
from fer_tune.study.records.event_log import EventLog
from fer_tune.study.records.settings import StudySettings, write_settings
from fer_tune.study.records.study_storage import StudyStorage
from fer_tune.study.records.trial_record import TrialRecord
from fer_tune.study.search_space.load_space import parse_space
from fer_tune.tracking.artifacts import REPORT_FILE, find_text
from fer_tune.tracking.queries import find_study
from fer_tune.tracking.recorder import EventRecorder
from fer_tune.tracking.store import Store, open_store

SPACE = "parameters:\n  depth: {type: int, low: 1, high: 5}\n"

Trial = Callable[..., TrialRecord]
Begin = Callable[..., StudySettings]


@pytest.fixture(scope="module")
def store(workplace: Path) -> Store:
    return open_store(root=workplace / "mlruns")


@pytest.fixture
def storage(tmp_path: Path) -> StudyStorage:
    return StudyStorage(str(tmp_path / "studies"))


@pytest.fixture
def begin(request: pytest.FixtureRequest, store: Store, storage: StudyStorage) -> Begin:
    """Records a study of these trials, named after the test, in MLflow and in a journal."""

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
        folder = write_settings(storage.local_dir, settings)
        told = "python -m fer_tune.search --study tested"
        recorder = EventRecorder(
            store, build_study_info(settings, draw_demo_splits(), told), resume=False
        )
        journal = EventLog(folder)
        for trial in trials:
            told_events = events(trial)
            recorder.record_events(told_events)
            for event in told_events:
                journal.on_event(event)
        journal.close()
        return settings

    return study


def events(trial: TrialRecord) -> Sequence[Event]:
    number = trial.number
    return [
        TrialStarted(number=number, name=trial.name, config=trial.config),
        *(EpochEnded(number=number, result=result) for result in trial.history),
        *([TrialEnded(number=number, ending=trial.ending)] if trial.ending else []),
    ]


def test_a_study_reads_the_same_from_its_journal_and_from_mlflow(
    trial: Trial, begin: Begin, store: Store, storage: StudyStorage, tmp_path: Path
) -> None:
    name = begin(
        trial(0, 20, 22, 21), trial(1, 30, ending="stopped", depth=2), trial(2, ending="failed")
    ).name
    here, elsewhere = (
        load_study(store, name, each) for each in (storage, StudyStorage(str(tmp_path / "nothing")))
    )
    assert here.classes == elsewhere.classes == EMOTIONS
    assert here.space == elsewhere.space
    for one, other in zip(here.trials, elsewhere.trials, strict=True):
        assert (one.number, one.config, one.ending) == (other.number, other.config, other.ending)
        for first, second in zip(one.history, other.history, strict=True):
            assert first.epoch == second.epoch
            assert second.metrics == {name: first.metrics[name] for name in second.metrics}
    assert here.best is not None
    assert elsewhere.best is not None
    assert here.best.best_epoch.confusion == elsewhere.best.best_epoch.confusion


def test_a_journal_of_another_study_of_that_name_is_not_taken_for_it(
    trial: Trial, begin: Begin, store: Store, storage: StudyStorage, tmp_path: Path
) -> None:
    settings = begin(trial(0, 20), trial(1, 30))
    there = open_store(root=tmp_path / "mlruns")
    recorder = EventRecorder(
        there, build_study_info(settings, draw_demo_splits(), ""), resume=False
    )
    recorder.record_events([each.model_copy(update={"time": 7}) for each in events(trial(0, 45))])
    here, elsewhere = (load_study(each, settings.name, storage) for each in (store, there))
    assert (here.has_local_log, len(here.trials)) == (True, 2)
    assert (elsewhere.has_local_log, len(elsewhere.trials)) == (False, 1)


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


def test_the_command_writes_the_page_and_keeps_it_with_the_study(
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
    assert find_text(store, find_study(store, name).run_id, REPORT_FILE) == written.read_text(
        "utf-8"
    )
    assert "python -m fer_tune.search --study tested" in written.read_text("utf-8")


def test_the_page_goes_where_the_user_wants_it(
    trial: Trial, begin: Begin, store: Store, tmp_path: Path
) -> None:
    name, output = begin(trial(0, 20)).name, tmp_path / "a folder" / "page.html"
    main(["--study", name, "--tracking-uri", store.uri, "--output", str(output)])
    assert output.read_text("utf-8").startswith("<!doctype html>")


def test_a_study_that_is_not_there_is_told_in_one_line(store: Store) -> None:
    with pytest.raises(UserError, match="study nothing is not in"):
        main(["--study", "nothing", "--tracking-uri", store.uri])


def test_other_faces_than_the_studys_are_refused_where_they_were_named(
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


def test_a_report_that_fails_is_told_in_one_line_and_fails_nothing(
    trial: Trial,
    begin: Begin,
    store: Store,
    storage: StudyStorage,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    name = begin(trial(0, 20)).name

    def broken(*_: object) -> None:
        raise ZeroDivisionError("first\nsecond")

    monkeypatch.setattr("fer_tune.report.page.build_improvement_section", broken)
    conclude._write_report(create_console(), store, name, storage, draw_demo_splits())
    assert capsys.readouterr().err == f"Warning: no report of study {name}: first\n"
