from pathlib import Path

import pytest
import torch
from mlflow import MlflowClient
from mlflow.entities.model_registry import ModelVersion

from fer_tune.common.errors import UserError
from fer_tune.model import FaceClassifier, FerNet
from fer_tune.model_config import ModelConfig
from fer_tune.tracking.models.log_model import load_model, log_model
from fer_tune.tracking.registry import CHAMPION_URI, find_champion, find_default_model_uri
from fer_tune.tracking.store import Store, open_store

CONFIG = ModelConfig(depth=1, width=4, hidden_1=16, hidden_2=8)


@pytest.fixture
def empty(tmp_path: Path) -> Store:
    return open_store(str(tmp_path / "mlruns"))


def logged(store: Store) -> str:
    torch.manual_seed(0)
    run = store.client.create_run(store.experiment_id)
    return log_model(store, run.info.run_id, FaceClassifier([FerNet(CONFIG, 2)]), ["happy", "sad"])


def test_the_newest_model_is_meant_until_there_is_a_champion(empty: Store) -> None:
    with pytest.raises(UserError, match=r"no model in .*mlflow.db; train one with .*retrain"):
        find_default_model_uri(empty)
    client = empty.client
    first, second = logged(empty), logged(empty)
    broken_off = client.create_logged_model(empty.experiment_id, name="fer_net")
    assert broken_off.creation_timestamp >= client.get_logged_model(second[8:]).creation_timestamp
    assert find_default_model_uri(empty) == second

    client.create_registered_model("fer_tune")
    place = client.get_logged_model(first.removeprefix("models:/")).artifact_location
    client.create_model_version("fer_tune", place)
    assert find_default_model_uri(empty) == second  # registered, and no champion

    client.set_registered_model_alias("fer_tune", "champion", "1")
    assert find_default_model_uri(empty) == CHAMPION_URI == "models:/fer_tune@champion"
    assert f"models:/{load_model(empty, CHAMPION_URI).metadata.model_id}" == first


def test_a_champion_that_was_registered_in_the_ui_is_found_also_if_its_model_is_deleted(
    empty: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    by_hand = ModelVersion("fer_tune", "1", 0, source="models:/m-0")
    monkeypatch.setattr(MlflowClient, "get_model_version_by_alias", lambda *_: by_hand)
    champion = find_champion(empty)
    assert champion is not None
    assert champion.version == "fer_tune/1"
    with pytest.raises(UserError, match="m-0"):
        load_model(empty, CHAMPION_URI)
