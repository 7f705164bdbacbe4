"""The models that are in use: MLflow's registry, where `@champion` is the best one known."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, cast

import numpy as np
from numpy.typing import NDArray

from fer_tune.common.errors import UserError
from fer_tune.data.faces import Faces
from fer_tune.tracking import tags
from fer_tune.tracking.models.log_model import load_model
from fer_tune.tracking.run_info import RetrainInfo
from fer_tune.tracking.seed_run import SeedOutcome, load_test_predictions
from fer_tune.tracking.store import Store, summarize_error

if TYPE_CHECKING:
    from mlflow.entities.model_registry import ModelVersion
    from pandas import DataFrame

MODEL_NAME = "fer_tune"
CHAMPION, CHALLENGER = "champion", "challenger"
CHAMPION_URI = f"models:/{MODEL_NAME}@{CHAMPION}"


@dataclass(frozen=True)
class Champion:
    """The version that holds the alias.

    run_id: of the training that gave it; empty where it was registered by hand.
    tags: by the names in `fer_tune.tracking.tags`.
    """

    version: str
    run_id: str
    tags: Mapping[str, str]

    @property
    def source(self) -> str | None:
        """The faces that it was trained on, for people; None where it is not known."""
        return self.tags.get(tags.SOURCE)

    def explain_incompatibility(self, info: RetrainInfo) -> str | None:
        """Return why it cannot be compared with a model of the retraining; None if it can."""
        # The hash covers the faces of each split. The protocol is a sentence, which gets reworded.
        if self.tags.get(tags.FACES_HASH) == info.study.faces_hash:
            return None
        return "it was trained on other faces or splits" + (
            f" ({self.source})" if self.source else ""
        )


def find_champion(store: Store) -> Champion | None:
    """The version that is `@champion`; None where there is none yet."""
    from mlflow.exceptions import MlflowException

    client = store.create_client()
    try:
        number = client.get_registered_model(MODEL_NAME).aliases.get(CHAMPION)
    except MlflowException as error:
        if error.error_code == "RESOURCE_DOES_NOT_EXIST":
            return None
        raise
    if number is None:
        return None
    found = client.get_model_version(MODEL_NAME, number)
    return Champion(str(found.version), found.run_id or "", found.tags)


def load_champion_predictions(
    store: Store, champion: Champion, faces: Faces, classes: tuple[str, ...]
) -> NDArray[np.int64]:  # (N,)
    """What the champion says of the test faces.

    As it was written down when it was tested; where that is gone, the model is asked.
    Raises UserError where the model cannot be loaded.
    """
    from mlflow.exceptions import MlflowException

    try:
        told = load_test_predictions(store, champion.run_id, classes)
        if np.array_equal(told.truth, faces.labels):
            return told.predicted
    except (MlflowException, OSError, ValueError):
        pass
    table = cast(
        "DataFrame",
        load_model(store, f"models:/{MODEL_NAME}/{champion.version}").predict(faces.images),
    )
    if set(table.columns) != set(classes):
        raise UserError(f"model {MODEL_NAME}/{champion.version} has other classes")
    says: NDArray[np.int64] = table[list(classes)].to_numpy().argmax(axis=1)
    return says


def register_model(store: Store, outcome: SeedOutcome, info: RetrainInfo) -> "ModelVersion":
    """The version of the kept model, made where there is none yet."""
    from mlflow.exceptions import MlflowException

    client, model_id = store.create_client(), outcome.model_uri.removeprefix("models:/")
    try:
        client.create_registered_model(MODEL_NAME)
    except MlflowException as error:
        if error.error_code != "RESOURCE_ALREADY_EXISTS":
            raise
    of_this_run = client.search_model_versions(
        f"name = '{MODEL_NAME}' AND run_id = '{outcome.run_id}'"
    )
    if of_this_run:
        return of_this_run[0]
    marks = {name: info.study.tags[name] for name in (tags.SOURCE, tags.FACES_HASH, tags.PROTOCOL)}
    version = client.create_model_version(
        MODEL_NAME,
        # Not its address: a database store looks for that in the global tracking URI.
        source=client.get_logged_model(model_id).artifact_location,
        run_id=outcome.run_id,
        model_id=model_id,
        tags={
            **marks,
            tags.CODE_VERSION: info.code_version,
            tags.RETRAINED_STUDY: info.study.name,
            tags.RETRAINED_TRIAL: str(info.trial.number),
            tags.SEED: str(outcome.seed),
        },
    )
    # MLflow's UI shows a model's versions by this.
    told = json.dumps([{"name": MODEL_NAME, "version": version.version}])
    client.set_logged_model_tags(model_id, {"mlflow.modelVersions": told})
    return version


def set_alias(store: Store, version: str, alias: str, description: str) -> None:
    """Give the version its alias, and say why in its description."""
    client = store.create_client()
    client.update_model_version(MODEL_NAME, version, description)
    client.set_registered_model_alias(MODEL_NAME, alias, version)


def find_default_model_uri(store: Store) -> str:
    """The registry's champion, else the model that was trained again last.

    Raises UserError where there is neither, or the store fails.
    """
    from mlflow.exceptions import MlflowException

    try:
        return CHAMPION_URI if find_champion(store) else _find_newest_model_uri(store)
    except MlflowException as error:
        raise UserError(f"tracking store {store}: {summarize_error(error)}") from error


def _find_newest_model_uri(store: Store) -> str:
    from mlflow.entities import LoggedModelStatus

    newest_first = [{"field_name": "creation_timestamp", "ascending": False}]
    for model in store.create_client().search_logged_models(
        [store.experiment_id], order_by=newest_first
    ):
        if model.status == LoggedModelStatus.READY:  # others were broken off as they were written
            return f"models:/{model.model_id}"
    raise UserError(
        f"no model in {store}; train one with python -m fer_tune.retrain --study NAME, "
        "or say with --model which, and with --tracking-uri where it is"
    )
