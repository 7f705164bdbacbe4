import builtins
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from fer_tune.common.errors import UserError
from fer_tune.data.faces import EMOTIONS
from fer_tune.export import __main__ as export
from fer_tune.model import FaceClassifier, FerNet
from fer_tune.model_config import ModelConfig, TtaName
from fer_tune.tracking.models.log_model import log_model
from fer_tune.tracking.registry import MODEL_NAME
from fer_tune.tracking.store import Store, open_store

onnxruntime = pytest.importorskip("onnxruntime")
pytest.importorskip("onnxscript")

CONFIG = ModelConfig(depth=2, width=4, convolutions=2, residual=True, head="average")


@pytest.fixture(autouse=True)
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Store:
    monkeypatch.chdir(tmp_path)
    return open_store()


def register(store: Store, networks: int, tta: TtaName) -> FaceClassifier:
    """Register a calibrated model as champion."""
    torch.manual_seed(0)
    members = [FerNet(CONFIG, len(EMOTIONS)) for _ in range(networks)]
    for member in members:  # so that its probabilities differ from class to class
        last = member.head[-1]
        assert isinstance(last, torch.nn.Linear)
        last.weight.data *= 40
    model, client = FaceClassifier(members, tta, temperature=1.6), store.client
    run_id = client.create_run(store.experiment_id).info.run_id
    uri = log_model(store, run_id, model, EMOTIONS)
    source = client.get_logged_model(uri.removeprefix("models:/")).artifact_location
    client.create_registered_model(MODEL_NAME)
    client.create_model_version(MODEL_NAME, source)
    client.set_registered_model_alias(MODEL_NAME, "champion", "1")
    return model


@pytest.mark.parametrize(("networks", "tta"), [(1, "none"), (2, "six")])
def test_the_file_takes_any_number_of_grey_bytes_and_gives_the_models_probabilities(
    store: Store, networks: int, tta: TtaName, capfd: pytest.CaptureFixture[str]
) -> None:
    model = register(store, networks, tta)
    export.main(["--to", "some/onnx"])
    assert "models:/fer_tune/1 as ONNX. On 256 faces" in capfd.readouterr().out
    assert sorted(path.name for path in Path("some/onnx").iterdir()) == ["model.json", "model.onnx"]
    about = json.loads(Path("some/onnx/model.json").read_text())
    assert about["model"] == "models:/fer_tune/1"
    assert about["classes"] == list(EMOTIONS)
    assert about["input"]["shape"] == ["N", 48, 48]
    session = onnxruntime.InferenceSession("some/onnx/model.onnx")
    assert json.loads(session.get_modelmeta().custom_metadata_map["classes"]) == list(EMOTIONS)
    for count in (1, 5):
        faces = np.random.default_rng(0).integers(0, 256, (count, 48, 48), dtype=np.uint8)
        (said,) = session.run(["probabilities"], {"faces": faces})
        expected = model.predict_probabilities(faces)
        assert expected.std(axis=1).min() > 0.01
        np.testing.assert_allclose(said, expected, atol=1e-4)


@pytest.mark.parametrize("taken", ["file", "folder/file"])
def test_a_folder_that_is_not_empty_is_left_alone(taken: str) -> None:
    path = Path("taken", taken) if "/" in taken else Path("taken")
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("mine")
    with pytest.raises(UserError, match="taken is not an empty folder; name another") as caught:
        export.main(["--to", "taken"])
    assert "\n" not in str(caught.value)
    assert path.read_text() == "mine"


def test_a_file_that_predicts_otherwise_is_not_kept(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    register(store, 1, "none")
    whole = FaceClassifier.predict_probabilities
    monkeypatch.setattr(FaceClassifier, "predict_probabilities", lambda *args: whole(*args) + 2e-4)
    with pytest.raises(UserError, match="predicts other probabilities than the model"):
        export.main(["--to", "onnx"])
    assert not Path("onnx").exists()


def test_a_model_that_is_not_there_gives_one_line_and_no_folder() -> None:
    for uri in ("models:/fer_tune/9", "models:/fer_tune@champion"):
        with pytest.raises(UserError, match="models:/fer_tune") as caught:
            export.main([uri, "--to", "onnx"])
        assert "\n" not in str(caught.value)
    assert not Path("onnx").exists()


def test_without_its_packages_one_line_says_how_to_install_them(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    whole = builtins.__import__

    def fail(name: str, *args: Any) -> Any:
        if name == "onnxruntime":
            raise ModuleNotFoundError(name=name)
        return whole(name, *args)

    monkeypatch.setattr(builtins, "__import__", fail)
    with pytest.raises(UserError, match=r"needs onnxruntime.* pip install 'fer_tune\[export\]'"):
        export.main(["--to", "onnx"])
