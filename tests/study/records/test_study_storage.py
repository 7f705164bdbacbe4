from pathlib import Path

import pytest

from fer_tune.common import atomic
from fer_tune.common.errors import UserError
from fer_tune.common.lock import LOCK, hold_lock
from fer_tune.events import Event, Observer, TrialRemarked
from fer_tune.study.records import bucket_log
from fer_tune.study.records.event_log import FILE, EventLog, read_events
from fer_tune.study.records.settings import FILE as SETTINGS
from fer_tune.study.records.settings import StudySettings, create_study_directory, open_study
from fer_tune.study.records.study_storage import StudyStorage

EVENTS = [TrialRemarked(number=0, remark=str(each)) for each in range(7)]


@pytest.fixture
def storage(bucket: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> StudyStorage:
    """One in a bucket, empty, with parts of three lines."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(bucket_log, "LINES_PER_CHUNK", 3)
    return StudyStorage(f"{bucket}/{tmp_path.name}")


def _begin(storage: StudyStorage, settings: StudySettings) -> None:
    create_study_directory(storage.local_dir, settings)
    storage.upload_settings(settings.name)


def _tell(storage: StudyStorage, *events: Event) -> None:
    """As the observers of a study that begins, or goes on."""
    journal = EventLog(storage.local_dir / "tested")
    observers: list[Observer] = [journal, *storage.make_bucket_logs("tested")]
    for event in events:
        for observer in observers:
            observer.on_event(event)
    journal.close()


def _elsewhere(monkeypatch: pytest.MonkeyPatch, folder: Path) -> Path:
    folder.mkdir()
    monkeypatch.chdir(folder)
    return folder


def test_a_study_in_a_bucket_goes_on_on_another_machine(
    storage: StudyStorage, settings: StudySettings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _begin(storage, settings)
    _tell(storage, *EVENTS[:4])
    _elsewhere(monkeypatch, tmp_path / "second")
    storage.fetch_study("tested")
    assert open_study(storage.local_dir, "tested")[1] == settings
    assert list(read_events(storage.local_dir / "tested")) == EVENTS[:4]
    _tell(storage, *EVENTS[4:])
    _elsewhere(monkeypatch, tmp_path / "third")
    storage.fetch_study("tested")
    assert list(read_events(storage.local_dir / "tested")) == EVENTS


def test_what_a_kill_kept_from_the_bucket_is_put_there_when_the_study_goes_on(
    storage: StudyStorage, settings: StudySettings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _begin(storage, settings)
    _tell(storage, *EVENTS[:2])
    journal = EventLog(storage.local_dir / "tested")
    journal.on_event(EVENTS[2])  # and here the machine stops
    journal.close()
    storage.fetch_study("tested")
    assert list(read_events(storage.local_dir / "tested")) == EVENTS[:3]
    _tell(storage, *EVENTS[3:])
    _elsewhere(monkeypatch, tmp_path / "second")
    storage.fetch_study("tested")
    assert list(read_events(storage.local_dir / "tested")) == EVENTS


def test_what_another_machine_did_since_counts_more_and_the_copy_here_is_set_aside(
    storage: StudyStorage, settings: StudySettings, capsys: pytest.CaptureFixture[str]
) -> None:
    _begin(storage, settings)
    _tell(storage, *EVENTS)
    (storage.local_dir / "tested" / FILE).write_text("left from long ago\n")
    storage.fetch_study("tested")
    assert list(read_events(storage.local_dir / "tested")) == EVENTS
    aside = _aside(capsys.readouterr().err)
    assert (aside / "tested" / FILE).read_text() == "left from long ago\n"


def test_a_copy_that_only_lacks_what_another_machine_did_is_brought_up_to_it(
    storage: StudyStorage, settings: StudySettings, capsys: pytest.CaptureFixture[str]
) -> None:
    _begin(storage, settings)
    _tell(storage, *EVENTS)
    journal = storage.local_dir / "tested" / FILE
    journal.write_bytes(journal.read_bytes()[:-90])  # a kill tore its last line
    storage.fetch_study("tested")
    assert list(read_events(storage.local_dir / "tested")) == EVENTS
    assert capsys.readouterr().err == ""


def _aside(shown: str) -> Path:
    """The folder of studies that a line on stderr tells to go on in."""
    (told,) = shown.splitlines()
    return Path(told.split("--resume tested --storage ")[1])


def test_the_copy_of_a_study_that_is_gone_from_the_bucket_is_set_aside_and_can_go_on(
    storage: StudyStorage, settings: StudySettings, capsys: pytest.CaptureFixture[str]
) -> None:
    _begin(storage, settings)
    _tell(storage, *EVENTS)
    _delete_from_bucket(storage)
    storage.fetch_study("tested")
    aside = _aside(capsys.readouterr().err)
    assert open_study(aside, "tested")[1] == settings
    assert list(read_events(aside / "tested")) == EVENTS
    with pytest.raises(UserError, match=r"no study tested in .*; there are: none"):
        open_study(storage.local_dir, "tested")
    storage.check_not_in_bucket("tested")


def _delete_from_bucket(storage: StudyStorage) -> None:
    study = storage.open_study_directory("tested")
    for name in (study / "journal").list_names():
        (study / "journal").delete(name)
    (study / "journal").delete_if_empty()
    study.delete(SETTINGS)


def test_the_copy_of_a_study_that_runs_here_is_not_moved(
    storage: StudyStorage, settings: StudySettings
) -> None:
    _begin(storage, settings)
    _delete_from_bucket(storage)
    with (
        hold_lock(storage.local_dir / "tested" / LOCK, "study tested"),
        pytest.raises(UserError, match="study tested is running already"),
    ):
        storage.fetch_study("tested")
    assert open_study(storage.local_dir, "tested")[1] == settings


def test_what_is_no_study_in_a_bucket_is_refused_and_left_as_it_is(storage: StudyStorage) -> None:
    (storage.open_study_directory("tested") / "happy").write("0.png", b"mine")
    storage.fetch_study("tested")
    with pytest.raises(UserError, match=r"tested in s3://.* is no study, and happy is in it"):
        storage.check_not_in_bucket("tested")
    assert (storage.open_study_directory("tested") / "happy").read("0.png") == b"mine"


def test_what_a_killed_beginning_left_in_a_bucket_is_taken_over(storage: StudyStorage) -> None:
    (storage.open_study_directory("tested") / atomic.make_partial_name("probe")).write("driver", b"")
    storage.check_not_in_bucket("tested")


def test_of_a_study_that_does_not_begin_the_settings_alone_are_deleted(
    storage: StudyStorage, settings: StudySettings
) -> None:
    _begin(storage, settings)
    storage.open_study_directory("tested").write("notes.txt", b"mine")
    (storage.local_dir / "tested" / "notes.txt").write_text("mine")
    storage.delete_settings("tested")
    assert storage.open_study_directory("tested").list_names() == ["notes.txt"]
    assert [path.name for path in (storage.local_dir / "tested").iterdir()] == ["notes.txt"]


def test_the_settings_that_another_machine_wrote_meanwhile_are_left(
    storage: StudyStorage, settings: StudySettings
) -> None:
    _begin(storage, settings)
    storage.open_study_directory("tested").write(SETTINGS, b"of another machine")
    storage.delete_settings("tested")
    assert storage.open_study_directory("tested").read(SETTINGS) == b"of another machine"


def test_a_study_that_another_machine_has_begun_meanwhile_is_left_alone(
    storage: StudyStorage, settings: StudySettings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    storage.check_not_in_bucket("tested")
    _begin(storage, settings)
    _elsewhere(monkeypatch, tmp_path / "second")
    with pytest.raises(UserError, match=r"study tested is in s3://.* already"):
        storage.check_not_in_bucket("tested")
    storage.fetch_study("tested")
    assert open_study(storage.local_dir, "tested")[1] == settings


def test_the_copy_of_what_may_hold_a_password_is_for_its_owner(
    storage: StudyStorage, settings: StudySettings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _begin(storage, settings)
    _elsewhere(monkeypatch, tmp_path / "second")
    storage.fetch_study("tested")
    assert (storage.local_dir / "tested" / SETTINGS).stat().st_mode & 0o777 == 0o600


def test_two_buckets_have_two_copies() -> None:
    assert StudyStorage("s3://faces/a/b").local_dir != StudyStorage("s3://faces/a_b").local_dir


@pytest.mark.usefixtures("bucket")
def test_a_bucket_that_is_not_there_is_told_in_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, settings: StudySettings
) -> None:
    monkeypatch.chdir(tmp_path)
    storage = StudyStorage("s3://absent/studies")
    create_study_directory(storage.local_dir, settings)
    told = r"--storage s3://absent/studies: .*does the bucket exist"
    with pytest.raises(UserError, match=told) as error:
        storage.upload_settings("tested")
    assert "\n" not in str(error.value)


def test_a_folder_is_its_own_copy(tmp_path: Path, settings: StudySettings) -> None:
    storage = StudyStorage(str(tmp_path))
    create_study_directory(storage.local_dir, settings)
    storage.fetch_study("tested")
    storage.upload_settings("tested")
    assert storage.make_bucket_logs("tested") == []
    assert storage.local_dir == tmp_path
    assert str(storage.open_study_directory("tested")) == str(tmp_path / "tested")
