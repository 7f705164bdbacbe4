from pathlib import Path

import pytest

from fer_tune.common import atomic


def test_a_write_that_fails_leaves_the_earlier_file(tmp_path: Path) -> None:
    path = tmp_path / "new" / "file"
    atomic.write_file(path, b"whole")
    with pytest.raises(TypeError), atomic.open_file(path) as file:
        file.writelines([b"half", None])  # type: ignore[list-item]
    assert path.read_bytes() == b"whole"
    assert list(path.parent.iterdir()) == [path]


def test_a_private_file_is_for_its_owner_only(tmp_path: Path) -> None:
    atomic.write_file(tmp_path / "file", b"", private=True)
    assert (tmp_path / "file").stat().st_mode & 0o777 == 0o600
