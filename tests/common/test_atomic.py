import errno
import os
import stat
from pathlib import Path

import pytest

from fer_tune.common import atomic


def test_a_write_that_fails_leaves_the_earlier_file(tmp_path: Path) -> None:
    path = tmp_path / "new" / "file"
    atomic.write_file(path, b"whole")
    with pytest.raises(TypeError):
        atomic.write_file(path, "half")  # type: ignore[arg-type]
    assert path.read_bytes() == b"whole"
    assert list(path.parent.iterdir()) == [path]


def test_a_private_file_is_for_its_owner_only(tmp_path: Path) -> None:
    atomic.write_file(tmp_path / "file", b"", private=True)
    assert (tmp_path / "file").stat().st_mode & 0o777 == 0o600


@pytest.fixture
def steps(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What happens to files, in order: "disk" and "rename"."""
    happened: list[str] = []
    rename, sync = Path.replace, os.fsync

    def note_rename(self: Path, target: Path) -> Path:
        happened.append(f"rename {target.name}")
        return rename(self, target)

    def note_sync(descriptor: int) -> None:
        happened.append("disk: folder" if stat.S_ISDIR(os.fstat(descriptor).st_mode) else "disk")
        sync(descriptor)

    monkeypatch.setattr(Path, "replace", note_rename)
    monkeypatch.setattr(os, "fsync", note_sync)
    return happened


def test_a_file_is_on_the_disk_before_it_gets_its_name(tmp_path: Path, steps: list[str]) -> None:
    atomic.write_file(tmp_path / "file", b"whole")
    assert steps == ["disk", "rename file", "disk: folder"]


def test_a_disk_that_fails_keeps_the_earlier_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    atomic.write_file(tmp_path / "file", b"earlier")

    def fail(_: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "fsync", fail)
    with pytest.raises(OSError, match="No space"):
        atomic.write_file(tmp_path / "file", b"newer")
    assert [(path.name, path.read_bytes()) for path in tmp_path.iterdir()] == [("file", b"earlier")]


@pytest.mark.parametrize("code", [errno.EINVAL, errno.ENOTSUP, errno.EBADF])
def test_a_file_system_without_fsync_can_be_used(
    code: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(_: int) -> None:
        raise OSError(code, "not here")

    monkeypatch.setattr(os, "fsync", refuse)
    atomic.write_file(tmp_path / "file", b"whole")
    assert (tmp_path / "file").read_bytes() == b"whole"
