from collections.abc import Iterator
from pathlib import Path

import pytest

from fer_tune.errors import UserError
from fer_tune.events import Event, Observer, TrialRemarked
from fer_tune.study import mirror
from fer_tune.study.journal import FILE, Journal, read_events
from fer_tune.study.settings import FILE as SETTINGS
from fer_tune.study.settings import StudySettings, begin_study, open_study
from fer_tune.study.storage import Storage

EVENTS = [TrialRemarked(number=0, remark=str(each)) for each in range(7)]


@pytest.fixture
def storage(bucket: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Storage]:
    """One in a bucket, with parts of three lines."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(mirror, "LINES", 3)
    storage = Storage(f"{bucket}/{tmp_path.name}")
    yield storage
    storage.forget("tested")


def _begin(storage: Storage, settings: StudySettings) -> None:
    begin_study(storage.here, settings)
    storage.keep_settings(settings.name)


def _tell(storage: Storage, *events: Event) -> None:
    """As the observers of a study that begins, or goes on."""
    journal = Journal(storage.here / "tested")
    observers: list[Observer] = [journal, *storage.mirrors("tested")]
    for event in events:
        for observer in observers:
            observer.tell(event)
    journal.close()


def _elsewhere(monkeypatch: pytest.MonkeyPatch, folder: Path) -> Path:
    folder.mkdir()
    monkeypatch.chdir(folder)
    return folder


def test_a_study_in_a_bucket_goes_on_on_another_machine(
    storage: Storage, settings: StudySettings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _begin(storage, settings)
    _tell(storage, *EVENTS[:4])
    _elsewhere(monkeypatch, tmp_path / "second")
    storage.fetch("tested")
    assert open_study(storage.here, "tested")[1] == settings
    assert list(read_events(storage.here / "tested")) == EVENTS[:4]
    _tell(storage, *EVENTS[4:])
    _elsewhere(monkeypatch, tmp_path / "third")
    storage.fetch("tested")
    assert list(read_events(storage.here / "tested")) == EVENTS


def test_what_a_kill_kept_from_the_bucket_is_put_there_when_the_study_goes_on(
    storage: Storage, settings: StudySettings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _begin(storage, settings)
    _tell(storage, *EVENTS[:2])
    journal = Journal(storage.here / "tested")
    journal.tell(EVENTS[2])  # and here the machine stops
    journal.close()
    storage.fetch("tested")
    assert list(read_events(storage.here / "tested")) == EVENTS[:3]
    _tell(storage, *EVENTS[3:])
    _elsewhere(monkeypatch, tmp_path / "second")
    storage.fetch("tested")
    assert list(read_events(storage.here / "tested")) == EVENTS


def test_what_another_machine_did_since_counts_more_than_the_copy_here(
    storage: Storage, settings: StudySettings
) -> None:
    _begin(storage, settings)
    _tell(storage, *EVENTS)
    (storage.here / "tested" / FILE).write_text("left from long ago\n")
    storage.fetch("tested")
    assert list(read_events(storage.here / "tested")) == EVENTS


def test_a_study_that_is_gone_from_the_bucket_is_gone_here(
    storage: Storage, settings: StudySettings
) -> None:
    _begin(storage, settings)
    storage.study("tested").remove()
    storage.fetch("tested")
    with pytest.raises(UserError, match="no study tested"):
        open_study(storage.here, "tested")


def test_a_study_that_another_machine_has_begun_meanwhile_is_left_alone(
    storage: Storage, settings: StudySettings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    storage.require_new("tested")
    _begin(storage, settings)
    _elsewhere(monkeypatch, tmp_path / "second")
    with pytest.raises(UserError, match=r"study tested is in s3://.* by now"):
        storage.require_new("tested")
    storage.fetch("tested")
    assert open_study(storage.here, "tested")[1] == settings


def test_the_copy_of_what_may_hold_a_password_is_for_its_owner(
    storage: Storage, settings: StudySettings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _begin(storage, settings)
    _elsewhere(monkeypatch, tmp_path / "second")
    storage.fetch("tested")
    assert (storage.here / "tested" / SETTINGS).stat().st_mode & 0o777 == 0o600


def test_two_buckets_have_two_copies() -> None:
    assert Storage("s3://faces/a/b").here != Storage("s3://faces/a_b").here


@pytest.mark.usefixtures("bucket")
def test_a_bucket_that_is_not_there_is_told_in_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, settings: StudySettings
) -> None:
    monkeypatch.chdir(tmp_path)
    storage = Storage("s3://absent/studies")
    begin_study(storage.here, settings)
    told = r"--storage s3://absent/studies: .*does the bucket exist"
    with pytest.raises(UserError, match=told) as error:
        storage.keep_settings("tested")
    assert "\n" not in str(error.value)


def test_a_folder_is_its_own_copy(tmp_path: Path, settings: StudySettings) -> None:
    storage = Storage(str(tmp_path))
    begin_study(storage.here, settings)
    storage.fetch("tested")
    storage.keep_settings("tested")
    assert storage.mirrors("tested") == []
    assert storage.here == tmp_path
    assert str(storage.study("tested")) == str(tmp_path / "tested")
