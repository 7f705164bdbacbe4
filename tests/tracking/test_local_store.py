import hashlib
import shutil
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from fer_tune.common.errors import UserError
from fer_tune.tracking.store import Store, open_store
from tests.machine import hold_read_only

NOTE = "note.txt"


@pytest.fixture
def original(store: Store, tmp_path: Path) -> Store:
    """Return a store in a folder of its own, with the run of `_get_run` and a registered model."""
    folder = tmp_path / "first place" / "mlruns"
    folder.mkdir(parents=True)
    shutil.copyfile(_get_database(store), folder / "mlflow.db")
    copy = open_store(str(folder))
    client = copy.client
    run = client.create_run(copy.experiment_id, tags={"test": "moved"})
    client.log_text(run.info.run_id, "original", NOTE)
    model = client.create_logged_model(copy.experiment_id, "net", run.info.run_id)
    client.create_registered_model("moved")
    client.create_model_version("moved", model.artifact_location, run.info.run_id)
    return copy


def _get_database(store: Store) -> Path:
    return Path(store.uri.removeprefix("sqlite:///"))


def _get_run(store: Store) -> str:
    (run,) = store.find_runs({"test": "moved"})
    return str(run.info.run_id)


def _read_database(database: Path) -> str:
    with closing(sqlite3.connect(database)) as connection:
        return "\n".join(connection.iterdump())


def _hash_files(folder: Path) -> dict[Path, str]:
    files = (path for path in folder.rglob("*") if path.is_file())
    return {path: hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


def test_a_moved_store_has_no_address_of_its_former_place(original: Store, tmp_path: Path) -> None:
    former = _get_database(original).parent
    moved = tmp_path / "ü #2" / "results"
    moved.parent.mkdir()
    former.rename(moved)
    store = open_store(str(moved))
    assert store.read_text(_get_run(store), NOTE) == "original"
    dump = _read_database(moved / "mlflow.db")
    assert "first%20place" not in dump
    version = store.client.get_model_version("moved", "1")
    assert str(version.source).startswith((moved / "artifacts/models").as_uri())
    assert not former.exists()


def test_what_is_logged_in_a_copy_leaves_the_original_unchanged(
    original: Store, tmp_path: Path
) -> None:
    former = _get_database(original).parent
    before = _hash_files(former)
    shutil.copytree(former, tmp_path / "copy")
    copy = open_store(str(tmp_path / "copy"))
    client, run_id = copy.client, _get_run(copy)
    client.log_text(run_id, "copied", NOTE)
    client.log_text(client.create_run(copy.experiment_id).info.run_id, "new", NOTE)
    assert copy.read_text(run_id, NOTE) == "copied"
    assert _hash_files(former) == before


def test_a_copy_of_the_database_alone_does_not_write_beside_the_original(
    original: Store, tmp_path: Path
) -> None:
    former = _get_database(original).parent
    before = _hash_files(former)
    (tmp_path / "alone").mkdir()
    shutil.copyfile(former / "mlflow.db", tmp_path / "alone/mlflow.db")
    store = open_store(str(tmp_path / "alone"))
    store.client.log_text(_get_run(store), "alone", NOTE)
    assert _hash_files(former) == before
    assert [path.read_text() for path in (tmp_path / "alone").rglob(NOTE)] == ["alone"]


def test_a_process_that_sees_the_store_elsewhere_leads_nothing_astray(
    original: Store, tmp_path: Path
) -> None:
    database, elsewhere = _get_database(original), tmp_path / "of a container" / "mlruns"
    with closing(sqlite3.connect(database)) as connection, connection:
        present, foreign = ((path / "artifacts").as_uri() for path in (database.parent, elsewhere))
        for table, column in (("experiments", "artifact_location"), ("runs", "artifact_uri")):
            connection.execute(
                f"UPDATE {table} SET {column} = replace({column}, ?, ?)", (present, foreign)
            )
    client = original.client
    new = client.create_run(original.experiment_id).info.run_id
    client.log_text(new, "new", NOTE)
    client.log_text(_get_run(original), "again", "again.txt")
    assert not elsewhere.parent.exists()
    assert (database.parent / "artifacts" / new / "artifacts" / NOTE).read_text() == "new"
    assert {file.path for file in client.list_artifacts(new)} == {NOTE}
    open_store(str(database.parent))
    assert foreign not in _read_database(database)


def test_a_store_behind_a_link_keeps_its_addresses(original: Store, tmp_path: Path) -> None:
    database = _get_database(original)
    before = _read_database(database)
    (tmp_path / "link").symlink_to(database.parent)
    store = open_store(str(tmp_path / "link"))
    assert store.read_text(_get_run(store), NOTE) == "original"
    assert _read_database(database) == before


@pytest.mark.parametrize("inside", [True, False])
def test_other_experiments_move_only_with_their_artifacts(
    original: Store, tmp_path: Path, inside: bool
) -> None:
    former = _get_database(original).parent
    location = (former if inside else tmp_path) / "own"
    location.mkdir()
    experiment = original.client.create_experiment("own", str(location))
    former.rename(tmp_path / "moved")
    store = open_store(str(tmp_path / "moved"))
    found = store.client.get_experiment(experiment).artifact_location
    assert found == str(tmp_path / "moved" / "own" if inside else location)


def test_an_experiment_whose_artifacts_the_user_keeps_elsewhere_stays_there(
    original: Store, tmp_path: Path
) -> None:
    database, disk = _get_database(original), tmp_path / "big disk" / "artifacts"
    disk.parent.mkdir()
    (database.parent / "artifacts").rename(disk)
    (database.parent / "artifacts/0").mkdir(parents=True)  # of MLflow's own experiment
    with closing(sqlite3.connect(database)) as connection, connection:
        connection.execute("UPDATE experiments SET artifact_location = ?", (disk.as_uri(),))
    store = open_store(str(database.parent))
    client = store.client
    client.log_text(client.create_run(store.experiment_id).info.run_id, "new", "new.txt")
    assert len(list(disk.rglob("new.txt"))) == 1


def test_a_moved_store_that_cannot_be_written_is_read_and_not_changed(
    original: Store, public_path: Path
) -> None:
    folder = public_path / "mlruns"
    shutil.move(_get_database(original).parent, folder)
    before = _hash_files(folder)
    with hold_read_only(folder):
        store = open_store(str(folder), create=False, needs_write=False)
        assert store.read_text(_get_run(store), NOTE) == "original"
        with pytest.raises(UserError, match=r"cannot be written: .*; copy the folder"):
            open_store(str(folder), create=False)
    assert _hash_files(folder) == before


def test_a_folder_whose_name_begins_like_the_former_one_keeps_its_addresses(
    original: Store, tmp_path: Path
) -> None:
    former = _get_database(original).parent
    other = (former.parent / "mlruns2/artifacts/of me").as_uri()
    experiment = original.client.create_experiment("of me", other)
    former.rename(tmp_path / "moved")
    store = open_store(str(tmp_path / "moved"))
    assert store.client.get_experiment(experiment).artifact_location == other
