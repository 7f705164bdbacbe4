from pathlib import Path

import pytest


@pytest.fixture(autouse=True)
def _own_folders(own_folders: None) -> None:
    """See `own_folders`."""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "faces").mkdir()
    return tmp_path / "faces"
