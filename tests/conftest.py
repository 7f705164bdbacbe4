from pathlib import Path

import pytest

FACES = Path(__file__).parents[2] / "shared" / "data" / "fer2013-images.zip"


@pytest.fixture(scope="session")
def real_faces() -> Path:
    """The real FER2013 faces, which are not in the repository."""
    if not FACES.exists():
        pytest.skip(f"no real faces at {FACES}")
    return FACES


@pytest.fixture(scope="session")
def workplace(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One working folder, with one local store, for every study of the tests."""
    return tmp_path_factory.mktemp("workplace")
