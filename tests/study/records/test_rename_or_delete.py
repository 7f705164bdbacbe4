import json
from pathlib import Path
from typing import Any

import pytest

from fer_tune.common import disk_or_bucket
from fer_tune.common.disk_or_bucket import BucketDirectory
from fer_tune.common.errors import UserError
from fer_tune.common.lock import LOCK, hold_lock
from fer_tune.study.records import rename_or_delete
from fer_tune.study.records.rename_or_delete import (
    delete_study_files,
    hold_study_locks,
    list_study_directories,
    rename_study_files,
)
from fer_tune.study.records.settings import FILE, read_settings
from fer_tune.study.records.study_storage import StudyStorage, open_storage
from fer_tune.study.search_space.load_space import find_space_file, load_space
from tests.settings import make_settings


@pytest.fixture(params=["folder", "bucket"])
def storage(request: pytest.FixtureRequest, own_folders: None, tmp_path: Path) -> StudyStorage:
    """A storage with a study of checkpoints and a chunk of its event log."""
    assert own_folders is None
    address = str(tmp_path / "studies")
    if request.param == "bucket":
        address = f"{request.getfixturevalue('bucket')}/{tmp_path.name}"
    storage = open_storage(address)
    space = load_space(find_space_file("smoke"))
    for name in ("faces", "faces-2"):
        storage.write_settings(make_settings(name, "smoke", space, tracking_uri="http://me:x@here"))
        study = storage.open_study_directory(name)
        (study / "checkpoints" / "000001").write("state.pt", b"weights")
        (study / "journal").write("00000000.jsonl", b"events")
        (storage.local_dir / name / LOCK).touch()
    return storage


def _read_all(storage: StudyStorage, name: str) -> dict[str, bytes]:
    study = storage.open_study_directory(name)
    return {
        "state.pt": (study / "checkpoints" / "000001").read("state.pt"),
        "log": (study / "journal").read("00000000.jsonl"),
    }


def test_a_renamed_study_has_all_files_and_the_new_name(storage: StudyStorage) -> None:
    rename_study_files(storage, "faces", "people")
    assert list_study_directories(storage, "faces") == []
    assert not (storage.local_dir / "faces").exists()
    assert _read_all(storage, "people") == {"state.pt": b"weights", "log": b"events"}
    settings = read_settings(storage.local_dir, "people")[1]
    assert (settings.name, settings.tracking_uri) == ("people", "http://me:x@here")
    assert json.loads(storage.open_study_directory("people").read(FILE))["name"] == "people"
    assert _read_all(storage, "faces-2")  # whose name begins with the same word


def test_a_taken_name_is_refused_and_nothing_moves(storage: StudyStorage) -> None:
    with pytest.raises(UserError, match=r"faces-2 is in .* already"):
        rename_study_files(storage, "faces", "faces-2")
    assert _read_all(storage, "faces") == _read_all(storage, "faces-2")


@pytest.mark.parametrize("step", ["copy_to", "_delete_all", "_write_name"])
def test_a_killed_rename_can_be_repeated(
    storage: StudyStorage, step: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def die(*_: Any) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(BucketDirectory if step == "copy_to" else rename_or_delete, step, die)
        try:
            rename_study_files(storage, "faces", "people")
        except KeyboardInterrupt:
            with pytest.raises(UserError):
                storage.check_name_available("people")
        else:
            return  # the step is only needed in a bucket
    rename_study_files(storage, "faces", "people")
    assert list_study_directories(storage, "faces") == []
    assert _read_all(storage, "people") == {"state.pt": b"weights", "log": b"events"}
    assert read_settings(storage.local_dir, "people")[1].name == "people"


def test_a_deleted_study_leaves_nothing_and_no_other_study_loses_anything(
    storage: StudyStorage,
) -> None:
    others = _read_all(storage, "faces-2")
    delete_study_files(storage, "faces")
    assert list_study_directories(storage, "faces") == []
    assert not (storage.local_dir / "faces").exists()
    assert storage.open_study_directory("faces").list_names() == []
    assert _read_all(storage, "faces-2") == others
    delete_study_files(storage, "faces")


def test_a_killed_deletion_can_be_repeated(
    storage: StudyStorage, monkeypatch: pytest.MonkeyPatch
) -> None:
    is_bucket = disk_or_bucket.is_bucket(storage.address)
    kind: Any = BucketDirectory if is_bucket else disk_or_bucket.DiskDirectory
    delete, deleted = kind.delete, list[str]()

    def die_late(directory: Any, name: str) -> None:
        if deleted:
            raise KeyboardInterrupt
        deleted.append(name)
        delete(directory, name)

    with monkeypatch.context() as patch:
        patch.setattr(kind, "delete", die_late)
        with pytest.raises(KeyboardInterrupt):
            delete_study_files(storage, "faces")
    assert len(list_study_directories(storage, "faces")) >= 1
    delete_study_files(storage, "faces")
    assert storage.open_study_directory("faces").list_names() == []


@pytest.mark.parametrize("lock", [LOCK, ".retrain-000001-15.lock"])
def test_a_study_in_use_is_not_touched(storage: StudyStorage, lock: str) -> None:
    file = storage.local_dir / "faces" / lock
    with (
        hold_lock(file, "a test"),
        pytest.raises(UserError, match="running already"),
        hold_study_locks(storage, "faces"),
    ):
        pass
    with hold_study_locks(storage, "nowhere"):
        assert not (storage.local_dir / "nowhere").exists()
