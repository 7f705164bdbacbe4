"""Logging of a trained network, so that it can be loaded and served without this package."""

import json
import shutil
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from importlib.metadata import version
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING

import mlflow.pyfunc
import numpy as np
import pandas as pd
from mlflow.artifacts import download_artifacts
from mlflow.entities import LoggedModelOutput, LoggedModelStatus
from mlflow.models import Model, infer_signature
from mlflow.pyfunc import PyFuncModel

from fer_tune.common.errors import UserError
from fer_tune.data.faces import SIDE
from fer_tune.model_config import ModelConfig
from fer_tune.tracking.models.find_model import find_model
from fer_tune.tracking.store import Store, summarize_error

if TYPE_CHECKING:
    from fer_tune.model import FaceClassifier

CARD_FILE = "model_card.md"
_WEIGHTS, _DESCRIPTION = "weights.safetensors", "description.json"

# The imports of pyfunc_model.py: files of this package, and other packages.
_PACKAGE = Path(__file__).parents[2]
_CODE_FILES = ("__init__.py", "model.py", "model_config.py", "data/__init__.py", "data/faces.py")
_REQUIREMENTS = ("mlflow", "numpy", "pandas", "pydantic", "safetensors", "torch")


def log_model(
    store: Store,
    run_id: str,
    model: "FaceClassifier",
    classes: Sequence[str],
    card: str | None = None,
) -> str:
    """Log the model as an output of the run, and return its address, `models:/<id>`.

    `mlflow.pyfunc.load_model` loads it. It takes faces, (N, 48, 48) uint8, and returns a DataFrame
    with a column of probabilities for each class. The code that it needs is logged with it.

    card: text of `model_card.md`, Markdown.
    """
    # mlflow.pyfunc.log_model does all this too, but only in the global tracking URI.
    client = store.client
    experiment, kind = store.experiment_id, "classifier"
    entry = client.create_logged_model(experiment, "fer_net", run_id, model_type=kind)
    status, model_id = LoggedModelStatus.FAILED, entry.model_id
    try:
        with tempfile.TemporaryDirectory() as temporary:
            folder = Path(temporary)
            location = entry.artifact_location
            about = Model(location, run_id=run_id, model_id=model_id, model_uuid=model_id)
            _write_artifacts(folder, model, classes)
            _save_pyfunc(folder, about, classes)
            if card is not None:
                (folder / "model" / CARD_FILE).write_text(card, encoding="utf-8")
            client.log_model_artifacts(model_id, str(folder / "model"))
        client.log_outputs(run_id, [LoggedModelOutput(model_id, step=0)])
        status = LoggedModelStatus.READY
    finally:
        client.finalize_logged_model(model_id, status)
    return f"models:/{model_id}"


def load_model(store: Store, model_uri: str) -> PyFuncModel:
    """Load a model from its weights and description; code that is logged with it is not run.

    model_uri: see `find_model`.
    Raises UserError if the store has no such model, or if another package wrote it.
    """
    from fer_tune.tracking.models.pyfunc_model import ServedModel

    with _download_model(store, model_uri) as folder:
        served = ServedModel()
        served.load_networks(folder / "artifacts")
        about: Model = Model.load(folder)
        if about.signature is None:
            raise ValueError("it has no signature")
        # PyFuncModel checks the faces, then calls `predict` of this without a context.
        predictor = SimpleNamespace(predict=partial(served.predict, None))
        return PyFuncModel(model_meta=about, model_impl=predictor)


def load_classifier(store: Store, model_uri: str) -> "tuple[FaceClassifier, list[str]]":
    """Load a model as a torch module, with the names of its classes; see `load_model`."""
    from fer_tune.tracking.models.pyfunc_model import read_classifier

    with _download_model(store, model_uri) as folder:
        return read_classifier(folder / "artifacts")


@contextmanager
def _download_model(store: Store, model_uri: str) -> Iterator[Path]:
    """Yield a folder with the model's files. Raises UserError for an error in this context."""
    problem = f"model {model_uri} in {store}"
    # mlflow.pyfunc.load_model looks only in the global tracking URI, and runs the model's code.
    # Without a folder of ours, MLflow would leave its download behind.
    with tempfile.TemporaryDirectory() as folder:
        location = find_model(store, model_uri).location
        if location.startswith("models:/"):
            location = find_model(store, location).location
        with store.explain_errors(problem):
            path = download_artifacts(location, dst_path=folder, tracking_uri=store.uri)
        try:
            yield Path(path)
        except Exception as error:  # MLflow, JSON and safetensors raise errors of many kinds
            reason = summarize_error(error)
            raise UserError(f"{problem}: no model of this package ({reason})") from error


def _write_artifacts(folder: Path, model: "FaceClassifier", classes: Sequence[str]) -> None:
    from safetensors.torch import save_file

    save_file(model.copy_weights(), folder / _WEIGHTS)
    # A TrialConfig has more fields, but the logged code knows only those of the network.
    config = model.networks[0].config
    description = {
        "config": config.model_dump(mode="json", include=set(ModelConfig.model_fields)),
        "classes": list(classes),
        "networks": len(model.networks),
        "tta": model.tta,
        "temperature": model.temperature,
    }
    (folder / _DESCRIPTION).write_text(json.dumps(description, indent=2))
    for name in _CODE_FILES:
        copy = folder / "fer_tune" / name
        copy.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(_PACKAGE / name, copy)


def _save_pyfunc(folder: Path, about: Model, classes: Sequence[str]) -> None:
    example = np.linspace(0, 255, SIDE * SIDE).astype(np.uint8).reshape(1, SIDE, SIDE)
    probabilities = pd.DataFrame([[0.0] * len(classes)], columns=list(classes))
    mlflow.pyfunc.save_model(
        folder / "model",
        mlflow_model=about,
        python_model=str(Path(__file__).with_name("pyfunc_model.py")),
        artifacts={"weights": str(folder / _WEIGHTS), "description": str(folder / _DESCRIPTION)},
        code_paths=[str(folder / "fer_tune")],
        pip_requirements=[f"{name}=={version(name).split('+')[0]}" for name in _REQUIREMENTS],
        signature=infer_signature(example, probabilities),
        input_example=example,
    )
