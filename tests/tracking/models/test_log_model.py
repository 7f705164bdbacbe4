import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from urllib.parse import urlsplit
from urllib.request import url2pathname

import numpy as np
import pandas as pd
import pytest
import torch
from mlflow import MlflowClient
from mlflow.entities.model_registry import ModelVersion

from fer_tune.common.errors import UserError
from fer_tune.data.faces import EMOTIONS
from fer_tune.model import FaceClassifier, FerNet, scale_pixels
from fer_tune.model_config import ModelConfig
from fer_tune.tracking.models.log_model import load_classifier, load_model, log_model
from fer_tune.tracking.recorder import EventRecorder
from fer_tune.tracking.store import Store
from fer_tune.tracking.study_and_retrain_info import StudyInfo

CONFIG = ModelConfig(depth=2, width=4, hidden_1=16, hidden_2=8)

# Loads the model as a stranger does: no package, the documented call.
STRANGER = """
import json, sys
sys.path = [path for path in sys.path if path != sys.argv[3]]
import mlflow, numpy as np
mlflow.set_tracking_uri(sys.argv[1])
model = mlflow.pyfunc.load_model(sys.argv[2])
import fer_tune
print(json.dumps([fer_tune.__file__, model.predict(np.load(sys.argv[4])).to_dict("list")]))
"""


@pytest.fixture
def model() -> FaceClassifier:
    torch.manual_seed(0)
    return FaceClassifier([FerNet(CONFIG, len(EMOTIONS)).eval()])


@pytest.fixture
def address(store: Store, model: FaceClassifier, describe: Callable[..., StudyInfo]) -> str:
    run_id = EventRecorder(store, describe(), resume=False).run_id
    return log_model(store, run_id, model, EMOTIONS)


def test_the_logged_model_takes_uint8_faces_and_names_its_probabilities(
    store: Store, model: FaceClassifier, address: str
) -> None:
    faces = np.random.default_rng(0).integers(0, 256, (5, 48, 48), dtype=np.uint8)
    table = load_model(store, address).predict(faces)
    assert isinstance(table, pd.DataFrame)
    assert tuple(table.columns) == EMOTIONS
    with torch.inference_mode():
        logits = model.networks[0](scale_pixels(torch.from_numpy(faces)))
        expected = logits.softmax(dim=1).numpy()
    np.testing.assert_allclose(table.to_numpy(), expected, atol=1e-6)
    np.testing.assert_allclose(table.to_numpy().sum(axis=1), 1)


@pytest.mark.parametrize("networks", [1, 3])
def test_networks_views_and_temperature_are_loaded_as_they_were_logged(
    store: Store, address: str, networks: int
) -> None:
    entry = store.client.get_logged_model(address.removeprefix("models:/"))
    members = [FerNet(CONFIG, len(EMOTIONS)) for _ in range(networks)]
    logged = FaceClassifier(members, "six", temperature=1.7)
    uri = log_model(store, str(entry.source_run_id), logged, EMOTIONS)
    faces = np.random.default_rng(0).integers(0, 256, (5, 48, 48), dtype=np.uint8)
    expected = logged.predict_probabilities(faces)
    said = np.asarray(load_model(store, uri).predict(faces))
    np.testing.assert_allclose(said, expected, atol=1e-6)
    loaded, classes = load_classifier(store, uri)
    assert (loaded.tta, loaded.temperature, tuple(classes)) == ("six", 1.7, EMOTIONS)
    np.testing.assert_allclose(loaded.predict_probabilities(faces), expected, atol=1e-6)


def test_a_model_of_an_earlier_version_is_one_network_without_views_or_temperature(
    store: Store, model: FaceClassifier, address: str
) -> None:
    (description,) = _kept(store, address).rglob("description.json")
    about = json.loads(description.read_text())
    old = {name: about[name] for name in ("config", "classes")}
    description.write_text(json.dumps(old))
    faces = np.random.default_rng(0).integers(0, 256, (5, 48, 48), dtype=np.uint8)
    expected = model.predict_probabilities(faces)
    said = np.asarray(load_model(store, address).predict(faces))
    np.testing.assert_allclose(said, expected, atol=1e-6)


def test_views_of_a_later_version_are_refused(store: Store, address: str) -> None:
    (description,) = _kept(store, address).rglob("description.json")
    about = json.loads(description.read_text())
    description.write_text(json.dumps({**about, "tta": "ten"}))
    with pytest.raises(UserError, match="unknown views: ten"):
        load_model(store, address)


def test_it_carries_a_signature_an_example_and_its_requirements(store: Store, address: str) -> None:
    about = load_model(store, address).metadata
    (images,) = about.signature.inputs.inputs
    assert (images.type, images.shape) == (np.dtype(np.uint8), (-1, 48, 48))
    assert tuple(about.signature.outputs.input_names()) == EMOTIONS
    assert about.saved_input_example_info is not None
    assert about.saved_input_example_info["type"] == "ndarray"
    entry = store.client.get_logged_model(address.removeprefix("models:/"))
    assert entry.status == "READY"
    assert entry.source_run_id == about.run_id


def test_faces_of_another_type_or_shape_are_refused(store: Store, address: str) -> None:
    served = load_model(store, address)
    with pytest.raises(Exception, match="uint8"):
        served.predict(np.zeros((2, 48, 48), dtype=np.float32))
    with pytest.raises(Exception, match="shape"):
        served.predict(np.zeros((2, 64, 64), dtype=np.uint8))


def _kept(store: Store, address: str) -> Path:
    entry = store.client.get_logged_model(address.removeprefix("models:/"))
    return Path(url2pathname(urlsplit(entry.artifact_location).path))


def test_code_in_a_model_is_not_run(store: Store, address: str, tmp_path: Path) -> None:
    ran = tmp_path / "ran"
    for code in _kept(store, address).rglob("*.py"):
        code.write_text(f"open({str(ran)!r}, 'w')")
    table = load_model(store, address).predict(np.zeros((1, 48, 48), np.uint8))
    assert tuple(table) == EMOTIONS
    assert not ran.exists()


@pytest.mark.parametrize("name", ["MLmodel", "weights.safetensors", "description.json"])
@pytest.mark.parametrize("content", [b"", b"{}", b"\x80\x04N.", b"[" * 9999])
def test_a_model_of_something_else_gives_one_line(
    store: Store, address: str, name: str, content: bytes
) -> None:
    (part,) = _kept(store, address).rglob(name)
    part.write_bytes(content)
    with pytest.raises(UserError, match="no model of this package") as caught:
        load_model(store, address)
    assert str(caught.value).isprintable()


def test_a_registered_version_is_loaded_by_its_name(store: Store, address: str) -> None:
    client = store.client
    model = client.get_logged_model(address.removeprefix("models:/"))
    client.create_registered_model("by-hand")
    client.create_model_version("by-hand", model.artifact_location)
    assert load_model(store, "models:/by-hand/1").metadata.model_id == model.model_id


def test_a_registered_version_is_loaded_by_its_alias_also_if_its_source_is_a_model(
    store: Store, address: str
) -> None:
    client = store.client
    model = client.get_logged_model(address.removeprefix("models:/"))
    client.create_registered_model("aliased")
    client.create_model_version("aliased", model.artifact_location)
    client.set_registered_model_alias("aliased", "champion", "1")
    assert load_model(store, "models:/aliased@champion").metadata.model_id == model.model_id

    # As a server's registry has it after a click in MLflow's UI.
    by_hand = ModelVersion("aliased", "1", 0, source=address)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(MlflowClient, "get_model_version", lambda *_: by_hand)
        assert load_model(store, "models:/aliased/1").metadata.model_id == model.model_id


def test_a_card_lies_beside_the_model(store: Store, model: FaceClassifier, address: str) -> None:
    logged = store.client.get_logged_model(address.removeprefix("models:/"))
    run_id = str(logged.source_run_id)
    with_card = log_model(store, run_id, model, EMOTIONS, "# Known to be weak\n")
    (card,) = _kept(store, with_card).rglob("model_card.md")
    assert card.read_text() == "# Known to be weak\n"
    assert not list(_kept(store, address).rglob("model_card.md"))
    load_model(store, with_card)


def test_it_loads_without_the_package(store: Store, address: str, tmp_path: Path) -> None:
    faces = np.zeros((2, 48, 48), dtype=np.uint8)
    np.save(tmp_path / "faces.npy", faces)
    here = Path(__file__).parents[3]
    done = subprocess.run(
        [sys.executable, "-c", STRANGER, store.uri, address, str(here), "faces.npy"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=True,
    )
    where, table = json.loads(done.stdout)
    assert here not in Path(where).parents
    assert tuple(table) == EMOTIONS
    assert {len(column) for column in table.values()} == {2}


def test_a_model_that_is_not_there_gives_one_line(store: Store) -> None:
    for address in ("models:/m-0", "models:/nothing/3"):
        with pytest.raises(UserError) as caught:
            load_model(store, address)
        assert address in str(caught.value)
        assert "\n" not in str(caught.value)
