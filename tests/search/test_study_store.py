import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from fer_tune.common.errors import UserError
from fer_tune.events import TrialStarted
from fer_tune.search.study_store import find_store_uri, format_store_address
from fer_tune.study.records.event_log import EventLog
from fer_tune.study.records.settings import StudySettings
from fer_tune.study.records.study_storage import StudyStorage, open_storage
from fer_tune.study.search_space.load_space import parse_space
from fer_tune.tracking import tags
from fer_tune.tracking.store import open_store
from fer_tune.trial_config import BASELINE
from tests.settings import make_settings

SPACE = parse_space("parameters: {depth: {type: int, low: 1, high: 5}}", "space.yaml")
STARTED = 1_700_000_000_000  # when trial 0 of the study began


@pytest.fixture(scope="module")
def empty_database(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("store")
    open_store(str(folder))
    return folder / "mlflow.db"


@pytest.fixture
def put_store(empty_database: Path) -> Callable[..., Path]:
    """Return a function that makes a store that may have a study, and returns its database."""

    def put(folder: Path, study: str = "", start_time: int = STARTED) -> Path:
        folder.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(empty_database, folder / "mlflow.db")
        store = open_store(str(folder))
        marks = {tags.STUDY: study, tags.TRIAL: "0"}
        store.create_client().create_run(store.experiment_id, start_time, marks)
        return folder / "mlflow.db"

    return put


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Work in a folder of its own."""
    folder = tmp_path / "here"
    folder.mkdir()
    monkeypatch.chdir(folder)
    return folder


def _put_study(storage: StudyStorage, address: str | None) -> StudySettings:
    """Write the log of a study whose study.json has this address of a store."""
    settings = make_settings("study", "smoke", SPACE, tracking_uri=address)
    folder = storage.local_dir / settings.name
    folder.mkdir(parents=True)
    log = EventLog(folder)
    log.on_event(TrialStarted(number=0, name="baseline", config=BASELINE, time=STARTED))
    log.close()
    return settings


@pytest.mark.parametrize(
    ("uri", "storage", "address"),
    [
        (None, "mlruns/studies", None),
        ("mlruns", "mlruns/studies", None),
        ("sqlite:///mlruns/mlflow.db", "mlruns/studies", None),
        ("{here}/mlruns", "mlruns/studies", None),
        ("results", "{here}/results/studies", None),
        (None, "s3://bucket/studies", None),
        ("tracking", "mlruns/studies", "../../../tracking/mlflow.db"),
        (None, "studies", "../../mlruns/mlflow.db"),
        ("/shared/mlflow", "mlruns/studies", "sqlite:////shared/mlflow/mlflow.db"),
        ("tracking", "/data/studies", "sqlite:///{here}/tracking/mlflow.db"),
        ("tracking", "s3://bucket/studies", "sqlite:///{here}/tracking/mlflow.db"),
        ("http://mlflow:5000", "mlruns/studies", "http://mlflow:5000"),
    ],
)
def test_only_a_store_elsewhere_has_an_absolute_address(
    here: Path, uri: str | None, storage: str, address: str | None
) -> None:
    uri, storage = uri and uri.format(here=here), storage.format(here=here)
    found = format_store_address(uri, open_storage(storage), "study")
    assert found == (address and address.format(here=here))


@pytest.mark.parametrize("folders", [("mlruns", "mlruns/studies"), ("tracking", "studies")])
def test_studies_and_their_store_move_together(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, folders: tuple[str, str]
) -> None:
    uri, storage = folders
    address = format_store_address(uri, StudyStorage(storage), "study")
    settings = _put_study(StudyStorage(storage), address)
    for folder in ("here", "moved"):
        (tmp_path / folder / uri).mkdir(parents=True, exist_ok=True)
        (tmp_path / folder / uri / "mlflow.db").touch()
        place = StudyStorage(str(tmp_path / folder / storage))
        monkeypatch.chdir(tmp_path)
        assert find_store_uri(settings, place) == f"sqlite:///{tmp_path / folder / uri}/mlflow.db"


def test_a_study_of_an_earlier_version_is_continued_in_the_store_that_came_with_it(
    tmp_path: Path, put_store: Callable[..., Path]
) -> None:
    original = put_store(tmp_path / "original", "study")
    copy = put_store(Path("mlruns"), "study")
    settings = _put_study(StudyStorage("mlruns/studies"), f"sqlite:///{original}")
    for _ in ("copied", "moved"):
        found = find_store_uri(settings, StudyStorage("mlruns/studies"))
        assert found == f"sqlite:///{copy.absolute()}"
        original.unlink(missing_ok=True)


@pytest.mark.parametrize(("name", "start_time"), [("other", STARTED), ("study", STARTED + 1)])
def test_a_store_that_the_user_chose_stays_the_study_s_store(
    tmp_path: Path, put_store: Callable[..., Path], name: str, start_time: int
) -> None:
    shared = put_store(tmp_path / "shared", "study")
    put_store(Path("mlruns"), name, start_time)
    settings = _put_study(StudyStorage("mlruns/studies"), f"sqlite:///{shared}")
    assert find_store_uri(settings, StudyStorage("mlruns/studies")) == f"sqlite:///{shared}"


@pytest.mark.parametrize("address", ["sqlite:////unmounted/mlflow.db", "../../gone/mlflow.db"])
def test_a_store_that_is_not_there_is_not_made_again(address: str) -> None:
    settings = _put_study(StudyStorage("mlruns/studies"), address)
    with pytest.raises(UserError, match=r"does not exist; name its new path, .* --tracking-uri"):
        find_store_uri(settings, StudyStorage("mlruns/studies"))


@pytest.mark.parametrize("address", [None, "sqlite:///{here}/mlruns/mlflow.db"])
def test_a_deleted_database_is_made_again_in_its_place(here: Path, address: str | None) -> None:
    storage = StudyStorage("mlruns/studies")
    settings = _put_study(storage, address and address.format(here=here))
    assert find_store_uri(settings, storage) == f"sqlite:///{here}/mlruns/mlflow.db"


def test_a_study_set_aside_from_a_bucket_keeps_the_usual_store(here: Path) -> None:
    storage = StudyStorage("mlruns/buckets/s3_faces-1/_set-aside/20261129-101500")
    settings = _put_study(storage, None)
    assert find_store_uri(settings, storage) == f"sqlite:///{here}/mlruns/mlflow.db"
