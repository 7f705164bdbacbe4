"""A trained network kept in MLflow so that it can be loaded and served without this package."""

import json
import shutil
import tempfile
from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

import fer_tune
from fer_tune.common.errors import UserError
from fer_tune.data.faces import SIDE
from fer_tune.model_config import ModelConfig
from fer_tune.tracking.store import Store, summarize_error

if TYPE_CHECKING:
    from mlflow.models import Model, ModelSignature
    from mlflow.pyfunc import PyFuncModel
    from pandas import DataFrame

    from fer_tune.model import FerNet
    from fer_tune.tracking.models.pyfunc_model import ServedModel

CARD_FILE = "model_card.md"

# What served_model.py imports: of this package, and beside it.
_CODE_FILES = ("__init__.py", "model.py", "model_config.py", "data/__init__.py", "data/faces.py")
_REQUIREMENTS = ("mlflow", "numpy", "pandas", "pydantic", "safetensors", "torch")


def log_model(
    store: Store,
    run_id: str,
    model: "FerNet",
    config: ModelConfig,
    classes: Sequence[str],
    card: str | None = None,
) -> str:
    """Keep `model` as an output of the run; returns its address, `models:/<id>`.

    `mlflow.pyfunc.load_model` of it takes faces, (N, 48, 48) uint8, and gives a DataFrame with a
    column of probabilities for each class. Its code comes with it, and as `model_card.md` its card.
    """
    from mlflow.entities import LoggedModelOutput, LoggedModelStatus
    from mlflow.models import Model

    # mlflow.pyfunc.log_model would do all this, but to the global tracking URI.
    client = store.create_client()
    entry = client.create_logged_model(
        store.experiment_id, name="fer_net", source_run_id=run_id, model_type="classifier"
    )
    status = LoggedModelStatus.FAILED
    try:
        with tempfile.TemporaryDirectory() as folder:
            about = Model(
                artifact_path=entry.artifact_location,
                run_id=run_id,
                model_id=entry.model_id,
                model_uuid=entry.model_id,
            )
            _write_artifacts(Path(folder), model, config, classes)
            _save_pyfunc(Path(folder), about, classes)
            if card is not None:
                (Path(folder) / "model" / CARD_FILE).write_text(card, encoding="utf-8")
            client.log_model_artifacts(entry.model_id, f"{folder}/model")
        client.log_outputs(run_id, [LoggedModelOutput(entry.model_id, step=0)])
        status = LoggedModelStatus.READY
    finally:
        client.finalize_logged_model(entry.model_id, status)
    return f"models:/{entry.model_id}"


def load_model(store: Store, model_uri: str) -> "PyFuncModel":
    """The model at `address`: `models:/<id>`, or of the registry, `models:/<name>/<version>` or
    `models:/<name>@<alias>`.

    Its weights and their description are read, and its code, which is for those who lack this
    package, is left alone. Raises UserError where the store has no such model, or another one.
    """
    import mlflow.artifacts
    from mlflow.exceptions import MlflowException

    # Not by mlflow.pyfunc: that looks in the global tracking URI only, and runs what it finds.
    with tempfile.TemporaryDirectory() as there:  # which MLflow would leave behind
        try:
            folder = mlflow.artifacts.download_artifacts(
                artifact_uri=_resolve_location(store, model_uri),
                dst_path=there,
                tracking_uri=store.uri,
            )
        except (MlflowException, OSError) as error:
            raise UserError(f"model {model_uri} in {store}: {summarize_error(error)}") from error
        try:
            return _read_model(Path(folder))
        except Exception as error:  # MLflow, JSON and safetensors raise their own kinds
            raise UserError(
                f"model {model_uri} in {store}: no model of this package ({summarize_error(error)})"
            ) from error


def _resolve_location(store: Store, model_uri: str) -> str:
    client, name = store.create_client(), model_uri.removeprefix("models:/")
    if "@" in name:
        version = client.get_model_version_by_alias(*name.split("@", 1))
    elif "/" in name:
        version = client.get_model_version(*name.split("/", 1))
    else:
        return str(client.get_logged_model(name).artifact_location)
    source = str(version.source)
    # A version that was registered in MLflow's UI names the model by its address.
    return _resolve_location(store, source) if source.startswith("models:/") else source


def _read_model(folder: Path) -> "PyFuncModel":
    from mlflow.models import Model
    from mlflow.pyfunc import PyFuncModel

    from fer_tune.tracking.models.pyfunc_model import ServedModel

    served, parts = ServedModel(), folder / "artifacts"
    served.load_network(parts / "weights.safetensors", parts / "description.json")
    about: Model = Model.load(folder)
    if about.signature is None:
        raise ValueError("it does not say what it takes")
    return PyFuncModel(model_meta=about, model_impl=_ServedModelAdapter(served))


class _ServedModelAdapter:
    """What PyFuncModel calls once it has checked the faces."""

    def __init__(self, served: "ServedModel") -> None:
        self._served = served

    def predict(
        self, faces: NDArray[np.uint8], params: dict[str, object] | None = None
    ) -> "DataFrame":
        return self._served.predict(None, faces, params)


def _write_artifacts(
    folder: Path, model: "FerNet", config: ModelConfig, classes: Sequence[str]
) -> None:
    from safetensors.torch import save_file

    weights = {name: value.cpu().contiguous() for name, value in model.state_dict().items()}
    save_file(weights, folder / "weights.safetensors")
    # Without what a trial's configuration has besides: the served code knows the network only.
    shape = config.model_dump(mode="json", include=set(ModelConfig.model_fields))
    described = {"config": shape, "classes": list(classes)}
    (folder / "description.json").write_text(json.dumps(described, indent=2))
    for name in _CODE_FILES:
        copy = folder / "fer_tune" / name
        copy.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(Path(fer_tune.__file__).parent / name, copy)


def _save_pyfunc(folder: Path, mlflow_model: "Model", classes: Sequence[str]) -> None:
    import mlflow.pyfunc

    mlflow.pyfunc.save_model(
        folder / "model",
        mlflow_model=mlflow_model,
        python_model=str(Path(__file__).with_name("pyfunc_model.py")),
        artifacts={
            "weights": str(folder / "weights.safetensors"),
            "description": str(folder / "description.json"),
        },
        code_paths=[str(folder / "fer_tune")],
        pip_requirements=[f"{name}=={version(name).split('+')[0]}" for name in _REQUIREMENTS],
        signature=_build_signature(classes),
        input_example=np.linspace(0, 255, SIDE * SIDE).astype(np.uint8).reshape(1, SIDE, SIDE),
    )


def _build_signature(classes: Sequence[str]) -> "ModelSignature":
    from mlflow.models import ModelSignature
    from mlflow.types import ColSpec, DataType, Schema, TensorSpec

    return ModelSignature(
        inputs=Schema([TensorSpec(np.dtype(np.uint8), (-1, SIDE, SIDE))]),
        outputs=Schema([ColSpec(DataType.double, name) for name in classes]),
    )
