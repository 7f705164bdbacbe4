import re
from pathlib import Path

import pytest

from fer_tune.common import atomic
from fer_tune.common.disk_or_bucket import Directory
from fer_tune.common.errors import UserError
from fer_tune.common.lock import LOCK, hold_lock
from fer_tune.events import Event, Observer, TrialRemarked
from fer_tune.study.records import event_log
from fer_tune.study.records.event_log import FILE, EventLog, read_events
from fer_tune.study.records.settings import FILE as SETTINGS
from fer_tune.study.records.settings import StudySettings, read_settings
from fer_tune.study.records.study_storage import StudyStorage, open_storage

EVENTS = [TrialRemarked(number=0, remark=str(number)) for number in range(7)]


@pytest.fixture
def storage(bucket: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> StudyStorage:
    """An empty storage in a bucket, with three lines a chunk."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(event_log, "LINES_PER_CHUNK", 3)
    return open_storage(f"{bucket}/{tmp_path.name}")


@pytest.fixture
def study(storage: StudyStorage, settings: StudySettings) -> Directory:
    """The folder in the bucket of a study that has begun."""
    storage.write_settings(settings)
    return storage.open_study_directory("tested")


def _record(storage: StudyStorage, *events: Event) -> None:
    """Record events as a study does that begins or is resumed."""
    log = EventLog(storage.local_dir / "tested")
    observers: list[Observer] = [log, *storage.open_bucket_logs("tested")]
    for event in events:
        for observer in observers:
            observer.on_event(event)
    log.close()


def _read_events(storage: StudyStorage) -> list[Event]:
    return list(read_events(storage.local_dir / "tested"))


def _move_to_other_machine(monkeypatch: pytest.MonkeyPatch, folder: Path) -> None:
    folder.mkdir()
    monkeypatch.chdir(folder)


@pytest.mark.usefixtures("study")
def test_a_study_in_a_bucket_is_resumed_on_another_machine(
    storage: StudyStorage, settings: StudySettings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _record(storage, *EVENTS[:4])
    _move_to_other_machine(monkeypatch, tmp_path / "second")
    storage.fetch_study("tested")
    assert read_settings(storage.local_dir, "tested")[1] == settings
    assert _read_events(storage) == EVENTS[:4]
    _record(storage, *EVENTS[4:])
    _move_to_other_machine(monkeypatch, tmp_path / "third")
    storage.fetch_study("tested")
    assert _read_events(storage) == EVENTS


@pytest.mark.usefixtures("study")
def test_events_that_a_kill_left_out_of_the_bucket_are_uploaded_at_the_resume(
    storage: StudyStorage, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _record(storage, *EVENTS[:2])
    log = EventLog(storage.local_dir / "tested")
    log.on_event(EVENTS[2])  # and then the machine stops
    log.close()
    storage.fetch_study("tested")
    assert _read_events(storage) == EVENTS[:3]
    _record(storage, *EVENTS[3:])
    _move_to_other_machine(monkeypatch, tmp_path / "second")
    storage.fetch_study("tested")
    assert _read_events(storage) == EVENTS


def _read_new_folder(stderr: str) -> Path:
    """Return the folder that a line on stderr names."""
    (line,) = stderr.splitlines()
    return Path(line.split("It was moved to ")[1].removesuffix("."))


@pytest.mark.usefixtures("study")
def test_a_copy_with_other_events_than_the_bucket_is_moved_aside(
    storage: StudyStorage, capsys: pytest.CaptureFixture[str]
) -> None:
    _record(storage, *EVENTS)
    (storage.local_dir / "tested" / FILE).write_text("left from long ago\n")
    storage.fetch_study("tested")
    assert _read_events(storage) == EVENTS
    aside = _read_new_folder(capsys.readouterr().err)
    assert (aside / FILE).read_text() == "left from long ago\n"


@pytest.mark.usefixtures("study")
def test_a_copy_that_only_lacks_events_of_the_bucket_is_updated(
    storage: StudyStorage, capsys: pytest.CaptureFixture[str]
) -> None:
    _record(storage, *EVENTS)
    log = storage.local_dir / "tested" / FILE
    log.write_bytes(log.read_bytes()[:-90])  # a kill tore its last line
    storage.fetch_study("tested")
    assert _read_events(storage) == EVENTS
    assert capsys.readouterr().err == ""


def test_the_copy_of_a_study_that_the_bucket_lacks_is_moved_aside(
    study: Directory,
    storage: StudyStorage,
    capsys: pytest.CaptureFixture[str],
) -> None:
    _record(storage, *EVENTS)
    _delete_study(study)
    storage.fetch_study("tested")
    aside = _read_new_folder(capsys.readouterr().err)
    assert (aside / SETTINGS).exists()
    assert list(read_events(aside)) == EVENTS
    with pytest.raises(UserError, match=r"no study tested in .*; there are: none"):
        read_settings(storage.local_dir, "tested")
    storage.check_name_available("tested")


def _delete_study(study: Directory) -> None:
    for name in (study / "journal").list_names():
        (study / "journal").delete(name)
    (study / "journal").delete_if_empty()
    study.delete(SETTINGS)


def test_the_copy_of_a_study_that_runs_on_this_machine_is_not_moved(
    study: Directory, storage: StudyStorage, settings: StudySettings
) -> None:
    _delete_study(study)
    with (
        hold_lock(storage.local_dir / "tested" / LOCK, "study tested"),
        pytest.raises(UserError, match="study tested is running already"),
    ):
        storage.fetch_study("tested")
    assert read_settings(storage.local_dir, "tested")[1] == settings


@pytest.mark.parametrize("folder", ["happy", "journal/2026"])
def test_a_folder_in_a_bucket_that_is_no_study_is_refused_and_left_unchanged(
    storage: StudyStorage, folder: str
) -> None:
    study = storage.open_study_directory("tested")
    (study / folder).write("0.png", b"mine")
    storage.fetch_study("tested")
    with pytest.raises(UserError, match=r"tested in s3://.* is no study, and \w+ is in it"):
        storage.check_name_available("tested")
    assert (study / folder).read("0.png") == b"mine"


def test_a_folder_in_a_bucket_with_partial_files_of_a_killed_process_is_available(
    storage: StudyStorage,
) -> None:
    study = storage.open_study_directory("tested")
    (study / atomic.make_partial_name("probe")).write("driver", b"")
    storage.check_name_available("tested")


def test_of_a_study_that_does_not_begin_only_the_settings_are_deleted(
    study: Directory, storage: StudyStorage
) -> None:
    study.write("notes.txt", b"mine")
    (storage.local_dir / "tested" / "notes.txt").write_text("mine")
    storage.delete_settings("tested")
    assert study.list_names() == ["notes.txt"]
    assert [path.name for path in (storage.local_dir / "tested").iterdir()] == ["notes.txt"]


def test_settings_that_another_machine_wrote_in_the_meantime_are_not_deleted(
    study: Directory, storage: StudyStorage
) -> None:
    study.write(SETTINGS, b"of another machine")
    storage.delete_settings("tested")
    assert study.read(SETTINGS) == b"of another machine"


def test_a_study_that_another_machine_began_in_the_meantime_is_left_unchanged(
    storage: StudyStorage, settings: StudySettings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    storage.check_name_available("tested")
    storage.write_settings(settings)
    _move_to_other_machine(monkeypatch, tmp_path / "second")
    with pytest.raises(UserError, match=r"study tested is in s3://.* already"):
        storage.check_name_available("tested")
    storage.fetch_study("tested")
    assert read_settings(storage.local_dir, "tested")[1] == settings


@pytest.mark.usefixtures("study")
def test_only_the_owner_can_read_the_copy_of_settings_with_a_password(
    storage: StudyStorage, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _move_to_other_machine(monkeypatch, tmp_path / "second")
    storage.fetch_study("tested")
    assert (storage.local_dir / "tested" / SETTINGS).stat().st_mode & 0o777 == 0o600


def test_two_buckets_have_two_copies() -> None:
    assert open_storage("s3://faces/a/b").local_dir != open_storage("s3://faces/a_b").local_dir


@pytest.mark.usefixtures("bucket")
def test_a_bucket_that_does_not_exist_is_reported_in_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, settings: StudySettings
) -> None:
    monkeypatch.chdir(tmp_path)
    problem = r"--storage s3://absent/studies: .*does the bucket exist"
    with pytest.raises(UserError, match=problem) as error:
        open_storage("s3://absent/studies").write_settings(settings)
    assert "\n" not in str(error.value)


def test_a_folder_needs_no_copy(tmp_path: Path, settings: StudySettings) -> None:
    storage = open_storage(str(tmp_path))
    storage.write_settings(settings)
    storage.fetch_study("tested")
    assert read_settings(tmp_path, "tested") == (tmp_path / "tested", settings)
    assert storage.open_bucket_logs("tested") == []
    assert storage.local_dir == tmp_path
    assert str(storage.open_study_directory("tested")) == str(tmp_path / "tested")


def test_a_name_that_is_taken_is_refused_with_advice(
    tmp_path: Path, settings: StudySettings
) -> None:
    storage = open_storage(str(tmp_path))
    storage.write_settings(settings)
    with pytest.raises(UserError, match="--resume tested"):
        storage.check_name_available("tested")


@pytest.mark.parametrize("name", ["happy/0.png", "film.part", "run/tuner.pkl", "journal.jsonl"])
def test_a_folder_that_is_no_study_is_refused_and_left_unchanged(tmp_path: Path, name: str) -> None:
    file = tmp_path / "tested" / name
    file.parent.mkdir(parents=True)
    file.write_text("mine")
    problem = f"tested in {tmp_path} is no study, and {name.split('/')[0]} is in it; take another"
    with pytest.raises(UserError, match=re.escape(problem)) as error:
        open_storage(str(tmp_path)).check_name_available("tested")
    assert "\n" not in str(error.value)
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == [file]


def test_a_file_with_the_name_of_the_study_is_refused(tmp_path: Path) -> None:
    (tmp_path / "tested").touch()
    with pytest.raises(UserError, match="cannot be a study's folder: Not a directory"):
        open_storage(str(tmp_path)).check_name_available("tested")


def test_a_folder_with_only_locks_and_partial_files_is_available(tmp_path: Path) -> None:
    folder = tmp_path / "tested"
    for name in (atomic.make_partial_name(SETTINGS), atomic.make_partial_name("probe") + "/driver"):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).touch()
    for name in (LOCK, ".retrain-000001-15.lock"):
        (folder / name).touch()
    open_storage(str(tmp_path)).check_name_available("tested")
