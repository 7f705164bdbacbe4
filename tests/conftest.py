from collections.abc import Iterator
from pathlib import Path

import pytest

FACES = Path(__file__).parents[2] / "shared" / "data" / "fer2013-images.zip"

KEYS = {"AWS_ACCESS_KEY_ID": "tested", "AWS_SECRET_ACCESS_KEY": "tested", "AWS_REGION": "us-east-1"}


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


@pytest.fixture(scope="session")
def bucket() -> Iterator[str]:
    """The address of a bucket in a store of our own."""
    import boto3
    from moto.server import ThreadedMotoServer

    server = ThreadedMotoServer("127.0.0.1", port=0)
    server.start()
    endpoint = "http://{}:{}".format(*server.get_host_and_port())
    with pytest.MonkeyPatch.context() as patch:
        for name, value in {**KEYS, "AWS_ENDPOINT_URL": endpoint}.items():
            patch.setenv(name, value)
        boto3.client("s3", endpoint_url=endpoint).create_bucket(Bucket="faces")
        yield "s3://faces"
    server.stop()


@pytest.fixture
def own_folders(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No test reads or writes the cache, the working folder or the faces of whoever runs it."""
    working = tmp_path / "working"
    working.mkdir()
    monkeypatch.chdir(working)
    monkeypatch.setenv("FER_TUNE_CACHE", str(tmp_path / "cache"))
    monkeypatch.delenv("FER_TUNE_DATA", raising=False)
