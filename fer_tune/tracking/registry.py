"""MLflow's model registry, with the aliases `@champion` (the best model) and `@challenger`."""

import json
from contextlib import suppress

import numpy as np
from mlflow.entities import LoggedModelStatus
from mlflow.entities.model_registry import ModelVersion
from mlflow.exceptions import MlflowException

from fer_tune.common.cli import format_command_line
from fer_tune.common.errors import UserError
from fer_tune.data.faces import Faces
from fer_tune.scoring.evaluation import Evaluation
from fer_tune.scoring.predictions import Predictions
from fer_tune.tracking import tags
from fer_tune.tracking.models.find_model import RecordedModel, describe_version
from fer_tune.tracking.models.log_model import load_classifier
from fer_tune.tracking.seed_run import SeedOutcome, load_test_evaluation
from fer_tune.tracking.store import Store
from fer_tune.tracking.study_and_retrain_info import RetrainInfo

MODEL_NAME = "fer_tune"
CHAMPION, CHALLENGER = "champion", "challenger"
CHAMPION_URI = f"models:/{MODEL_NAME}@{CHAMPION}"


def find_champion(store: Store) -> RecordedModel | None:
    """Return the version that is `@champion`; None if there is no champion yet."""
    try:
        version = store.client.get_model_version_by_alias(MODEL_NAME, CHAMPION)
    except MlflowException as error:
        # Without the model, or without the alias.
        if error.error_code in ("RESOURCE_DOES_NOT_EXIST", "INVALID_PARAMETER_VALUE"):
            return None
        raise
    return describe_version(CHAMPION_URI, version)


def evaluate_champion(
    store: Store, champion: RecordedModel, faces: Faces, classes: tuple[str, ...]
) -> Evaluation:
    """Return the evaluation of the champion on the test faces.

    Its predictions are read from the run of its training. If they are missing, it predicts again.
    Raises UserError if the model cannot be loaded or has other classes.
    """
    with suppress(MlflowException, OSError, ValueError):
        recorded = load_test_evaluation(store, champion.run_id, classes)
        if np.array_equal(recorded.predictions.truth, faces.labels):
            return recorded
    model, own_classes = load_classifier(store, champion.fixed_uri)
    if set(own_classes) != set(classes):
        raise UserError(f"model {champion.version} has other classes")
    columns = [own_classes.index(name) for name in classes]
    probabilities = model.predict_probabilities(faces.images)[:, columns]
    return Evaluation(classes, Predictions.from_probabilities(faces.labels, probabilities))


def register_model(store: Store, outcome: SeedOutcome, info: RetrainInfo) -> ModelVersion:
    """Return the version of the seed's model in the registry; register it if it has none."""
    client, run_id = store.client, outcome.run_id
    model_id = outcome.model_uri.removeprefix("models:/")
    try:
        client.create_registered_model(MODEL_NAME)
    except MlflowException as error:
        if error.error_code != "RESOURCE_ALREADY_EXISTS":
            raise
    own = client.search_model_versions(f"name = '{MODEL_NAME}' AND run_id = '{run_id}'")
    if own:
        return own[0]
    # Not the address models:/...: a database store resolves it in the global tracking URI.
    source = client.get_logged_model(model_id).artifact_location
    nested = client.get_run(run_id).data.tags
    own_tags = {name: nested[name] for name in (tags.SEED, tags.ENSEMBLE) if name in nested}
    marks = info.origin_tags | own_tags
    version = client.create_model_version(MODEL_NAME, source, run_id, marks, model_id=model_id)
    # MLflow's UI lists a model's versions by this tag.
    listed = json.dumps([{"name": MODEL_NAME, "version": version.version}])
    client.set_logged_model_tags(model_id, {"mlflow.modelVersions": listed})
    return version


def set_alias(store: Store, version: str, alias: str, description: str) -> None:
    """Give a version an alias and a description."""
    store.client.update_model_version(MODEL_NAME, version, description)
    store.client.set_registered_model_alias(MODEL_NAME, alias, version)


def find_default_model_uri(store: Store) -> str:
    """Return the address of the champion; without a champion, of the newest model.

    Raises UserError if the store has no model, or fails.
    """
    order = [{"field_name": "creation_timestamp", "ascending": False}]
    with store.explain_errors():
        if find_champion(store):
            return CHAMPION_URI
        models = store.client.search_logged_models([store.experiment_id], order_by=order)
    for model in models:
        if model.status == LoggedModelStatus.READY:  # others were interrupted while written
            return f"models:/{model.model_id}"
    retrain = format_command_line("fer_tune.retrain", ["--study", "NAME"])
    advice = f"train one with {retrain}, or name a model with --model"
    raise UserError(f"no model in {store}; {advice} and its store with --tracking-uri")
