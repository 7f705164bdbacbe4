import pickle
import secrets
from pathlib import Path

import pytest

from fer_tune.common import atomic, disk_or_bucket
from fer_tune.common.disk_or_bucket import (
    BucketDirectory,
    Directory,
    DiskDirectory,
    delete_partial_files,
    open_directory,
)


@pytest.fixture(params=["disk", "bucket"])
def folder(request: pytest.FixtureRequest, tmp_path: Path) -> Directory:
    """A folder that does not exist yet."""
    if request.param == "disk":
        return open_directory(str(tmp_path / "studies"))
    return open_directory(f"{request.getfixturevalue('bucket')}/{secrets.token_hex(4)}")


def test_an_address_with_a_scheme_is_a_bucket() -> None:
    assert isinstance(open_directory("s3://faces/studies"), BucketDirectory)
    assert isinstance(open_directory("mlruns/studies"), DiskDirectory)


def test_written_files_are_read_and_listed(folder: Directory) -> None:
    folder.write("b", b"old")
    folder.write("b", b"new")
    folder.write("a", memoryview(b"whole"))
    (folder / "more").write("c", b"")
    assert (folder.read("a"), folder.read("b"), (folder / "more").read("c")) == (
        b"whole",
        b"new",
        b"",
    )
    assert folder.list_names() == ["a", "b", "more"]


def test_of_a_missing_folder_nothing_is_listed_read_or_deleted(folder: Directory) -> None:
    assert folder.list_names() == []
    folder.delete("state.pt")
    delete_partial_files(folder)
    folder.delete_if_empty()
    with pytest.raises(FileNotFoundError):
        folder.read("state.pt")


def test_a_file_is_deleted_alone_and_its_folder_once_it_is_empty(folder: Directory) -> None:
    trial = folder / "trial"
    for name in ("state.pt", "notes.txt"):
        trial.write(name, b"weights")
    (folder / "other").write("state.pt", b"weights")
    trial.delete("state.pt")
    trial.delete_if_empty()
    assert trial.list_names() == ["notes.txt"]
    trial.delete("notes.txt")
    trial.delete_if_empty()
    assert folder.list_names() == ["other"]


def test_only_partial_files_of_killed_processes_are_deleted(tmp_path: Path) -> None:
    folder = DiskDirectory(tmp_path)
    (folder / "trial").write("state.pt", b"whole")
    (folder / "trial").write("film.part", b"a download")
    (folder / "trial").write(atomic.make_partial_name("state.pt"), b"ha")
    delete_partial_files(folder)
    assert len((folder / "trial").list_names()) == 3
    delete_partial_files(folder / "trial")
    assert (folder / "trial").list_names() == ["film.part", "state.pt"]
    assert (folder / "trial").read("state.pt") == b"whole"


def test_a_partial_folder_is_deleted_with_its_content(folder: Directory) -> None:
    (folder / atomic.make_partial_name("run") / "trial").write("tuner.pkl", b"")
    (folder / "run").write("notes.txt", b"of the user")
    delete_partial_files(folder)
    assert folder.list_names() == ["run"]


def test_a_directory_can_be_pickled(folder: Directory) -> None:
    folder.write("a", b"here")
    assert pickle.loads(pickle.dumps(folder)).read("a") == b"here"


@pytest.mark.usefixtures("bucket")
@pytest.mark.parametrize("address", ["s3://no-such-bucket/studies", "nothing://faces", "s3://"])
def test_a_bucket_that_cannot_be_reached_is_an_oserror(address: str) -> None:
    disk_or_bucket._open_bucket.cache_clear()
    with pytest.raises(OSError, match=r"\w"):
        (open_directory(address) / "tested").write("a", b"lost")
