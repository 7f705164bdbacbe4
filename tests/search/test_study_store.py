from pathlib import Path

import pytest

from fer_tune.common.errors import UserError
from fer_tune.search.study_store import find_store_uri, format_store_address
from fer_tune.study.records.settings import StudySettings
from fer_tune.study.records.study_storage import StudyStorage, open_storage
from fer_tune.study.search_space.load_space import parse_space
from tests.settings import make_settings

SPACE = parse_space("parameters: {depth: {type: int, low: 1, high: 5}}", "space.yaml")


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Work in a folder of its own."""
    folder = tmp_path / "here"
    folder.mkdir()
    monkeypatch.chdir(folder)
    return folder


def _put_study(storage: StudyStorage, address: str | None) -> StudySettings:
    """Make the folder of a study whose study.json has this address of a store."""
    settings = make_settings("study", "smoke", SPACE, tracking_uri=address)
    (storage.local_dir / settings.name).mkdir(parents=True)
    return settings


@pytest.mark.parametrize(
    ("uri", "storage", "address"),
    [
        (None, "mlruns/studies", None),
        ("mlruns", "mlruns/studies", None),
        ("sqlite:///mlruns/mlflow.db", "mlruns/studies", None),
        ("{here}/mlruns", "mlruns/studies", None),
        ("results", "{here}/results/studies", None),
        ("{here}/tracking", "{here}/mlruns/studies", "../../../tracking/mlflow.db"),
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


def test_a_store_that_the_user_chose_stays_the_studys_store(tmp_path: Path) -> None:
    for folder in (tmp_path / "shared", Path("mlruns")):
        folder.mkdir()
        (folder / "mlflow.db").touch()
    address = f"sqlite:///{tmp_path}/shared/mlflow.db"
    settings = _put_study(StudyStorage("mlruns/studies"), address)
    assert find_store_uri(settings, StudyStorage("mlruns/studies")) == address


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
