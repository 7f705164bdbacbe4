from collections.abc import Iterator
from pathlib import Path

import pytest


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A working folder with a cache of decoded faces and without a user's faces."""
    folder = tmp_path_factory.mktemp("fuzz")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        patch.setenv("FER_TUNE_CACHE", str(folder / "cache"))
        patch.delenv("FER_TUNE_DATA", raising=False)
        yield folder
    assert not list(folder.glob("ran*")), "something in an input was run"
