import io
import os
import shutil
import sqlite3
import sys
import tempfile
import threading
from collections.abc import Iterator
from contextlib import closing, redirect_stdout
from pathlib import Path
from typing import Any

import pytest
from filelock import FileLock
from hypothesis import settings

from tests.small_study import NAME, TWO_TRIALS, FinishedStudy

FACES = Path(__file__).parents[2] / "shared" / "data" / "fer2013-images.zip"

# A timing decides no test: other work on the machine may slow any example down.
settings.register_profile("untimed", deadline=None)
settings.load_profile("untimed")

KEYS = {"AWS_ACCESS_KEY_ID": "tested", "AWS_SECRET_ACCESS_KEY": "tested", "AWS_REGION": "us-east-1"}

# The tests that start Ray take longest, and wait for other processes most of the time. Each of
# these groups is run by one process, in this order. The first two take about equally long.
STARTS_RAY = {
    "ray 1": (
        "tests/search/test_search.py",
        "tests/search/test_search_with_votes.py",
        "tests/search/test_search_without_suspects.py",
    ),
    "ray 2": (
        "tests/study/tune/test_tuner.py",
        "tests/study/tune/test_ray_session.py",
        "tests/study/tune/test_measure_gpu_sharing.py",
        "tests/test_python_api.py",
        "tests/retrain/test_retrain.py",
        "tests/manage/test_studies_command.py",
        "tests/train/test_train.py",
        "tests/ablate/test_ablate.py",
        "tests/report/test_search_end.py",
    ),
    # Of make test-all: the faults take as long as the clusters and all other slow tests.
    "faults": (
        "tests/faults/test_kills.py",
        "tests/faults/test_at_once.py",
        "tests/faults/test_outages.py",
        "tests/faults/test_full_disk.py",
    ),
    "clusters": ("tests/cluster/test_cluster.py", "tests/cluster/test_ray_start.py"),
}
RAY_GROUPS = {module: group for group, modules in STARTS_RAY.items() for module in modules}


def pytest_configure() -> None:
    """Give each of several test processes its share of the cores, before torch is imported."""
    root = Path(__file__).parents[1]
    missing = [module for module in RAY_GROUPS if not (root / module).exists()]
    if missing:
        raise pytest.UsageError(f"tests/conftest.py: STARTS_RAY: there is no {', '.join(missing)}")
    processes = int(os.environ.get("PYTEST_XDIST_WORKER_COUNT", "1"))
    if processes > 1:
        threads = max(1, (os.cpu_count() or 1) // processes)
        os.environ.setdefault("OMP_NUM_THREADS", str(threads))


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Begin with the tests that start Ray, module by module."""
    places = {module: place for place, module in enumerate(RAY_GROUPS)}
    items.sort(key=lambda item: places.get(_find_module(item.nodeid), len(places)))


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Any:
    """Return a scheduler that gives each test process whole groups, in order of collection."""
    from xdist.scheduler import LoadScopeScheduling

    config.option.loadscopereorder = False
    scheduler = LoadScopeScheduling(config, log)
    scheduler._split_scope = _find_group
    return scheduler


def _find_group(test: str) -> str:
    """Return the module of a test, or the group of its module, which one process runs.

    So a module is set up once.
    """
    module = _find_module(test)
    return RAY_GROUPS.get(module, module)


def _find_module(test: str) -> str:
    return test.partition("::")[0]


@pytest.fixture(scope="session")
def shared_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder that all processes of this test run share."""
    folder = tmp_path_factory.getbasetemp()
    return folder.parent if "PYTEST_XDIST_WORKER" in os.environ else folder


@pytest.fixture(scope="session", autouse=True)
def _cache_of_this_run(shared_folder: Path) -> Iterator[None]:
    """Keep tests away from a person's cache of faces."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("FER_TUNE_CACHE", str(shared_folder / "cache"))
        yield


@pytest.fixture(scope="session", autouse=True)
def _sqlite_does_not_wait_for_the_disk() -> Iterator[None]:
    """Let the stores of tests skip the wait of each commit, which counts only if a machine dies."""
    from sqlalchemy import Engine, event

    def skip_wait(connection: Any, _: Any) -> None:
        if isinstance(connection, sqlite3.Connection):
            connection.execute("PRAGMA synchronous=OFF")

    event.listen(Engine, "connect", skip_wait)
    yield
    event.remove(Engine, "connect", skip_wait)


@pytest.fixture(scope="session", autouse=True)
def _empty_stores_are_copied(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Make MLflow's empty tables once for each test process; a new store gets a copy of them."""
    from mlflow.store.db import utils

    template = tmp_path_factory.mktemp("tables") / "empty.db"
    create_tables: Any = utils._initialize_tables

    def copy_tables(engine: Any) -> None:
        database = engine.url.database
        if engine.dialect.name != "sqlite" or not database or Path(database).stat().st_size:
            create_tables(engine)
            return
        if not template.exists():
            create_tables(engine)
            with closing(sqlite3.connect(database)) as connection:
                connection.execute("VACUUM INTO ?", [str(template)])
            return
        engine.dispose()
        shutil.copyfile(template, database)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(utils, "_initialize_tables", copy_tables)
        yield


@pytest.fixture(scope="session", autouse=True)
def _ray_starts_fewer_processes() -> Iterator[None]:
    """Leave out Ray's autoscaler, dashboard and reader of logs, which no local study uses."""
    from ray._private.node import Node

    with pytest.MonkeyPatch.context() as patch:
        for name in ("start_monitor", "start_api_server", "start_log_monitor"):
            patch.setattr(Node, name, lambda *_, **__: None)
        yield


@pytest.fixture(scope="session")
def real_faces() -> Path:
    """The real FER2013 faces, which are not in the repository."""
    if not FACES.exists():
        pytest.skip(f"no real faces at {FACES}")
    return FACES


@pytest.fixture(scope="session")
def small_study(shared_folder: Path) -> FinishedStudy:
    """A completed study: the baseline, and one narrow network, which is quick to retrain.

    One of the test processes runs it.
    """
    from fer_tune.search import __main__ as search

    folder, printed = shared_folder / "small-study", shared_folder / "small-study.txt"
    with FileLock(shared_folder / "small-study.lock"):
        if not printed.exists():
            folder.mkdir()
            output = io.StringIO()
            with pytest.MonkeyPatch.context() as patch, redirect_stdout(output):
                patch.chdir(folder)
                patch.delenv("FER_TUNE_DATA", raising=False)
                search.main([*TWO_TRIALS, "--study", NAME])
            printed.write_text(output.getvalue(), encoding="utf-8")
    return FinishedStudy(NAME, folder, printed.read_text(encoding="utf-8"))


@pytest.fixture(scope="session")
def workplace(small_study: FinishedStudy, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A working folder with the small study, to whose store several test modules add."""
    folder = tmp_path_factory.mktemp("workplace")
    return shutil.copytree(small_study.folder, folder, dirs_exist_ok=True)


@pytest.fixture(scope="module")
def one_thread() -> Iterator[None]:
    """Use one thread of torch: for small networks, several only wait for each other."""
    import torch

    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


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
def public_path() -> Iterator[Path]:
    """A new folder that every user of this machine can reach."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder)
        path.chmod(0o755)
        yield path


@pytest.fixture
def own_folders(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No test reads or writes the cache, the working folder or the faces of whoever runs it."""
    working = tmp_path / "working"
    working.mkdir()
    monkeypatch.chdir(working)
    monkeypatch.setenv("FER_TUNE_CACHE", str(tmp_path / "cache"))
    monkeypatch.delenv("FER_TUNE_DATA", raising=False)


@pytest.fixture
def said_step(monkeypatch: pytest.MonkeyPatch) -> threading.Event:
    """Let a step be said at once instead of after seconds; the event is set when it is.

    Ask for `capsys` first, which replaces stderr.
    """
    monkeypatch.setattr("fer_tune.common.console.LOG_SECONDS", 0)
    said = threading.Event()
    monkeypatch.setattr(sys.stderr, "flush", said.set)
    return said
