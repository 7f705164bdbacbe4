"""Where MLflow has a model, and what it knows of it."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from mlflow.entities.model_registry import ModelVersion

from fer_tune.tracking.store import Store


@dataclass(frozen=True)
class RecordedModel:
    """A model in MLflow.

    uri: address under which it was looked for.
    model_id: ID of the logged model; empty if it is not known, as in the registry of a database.
    run_id: ID of the run that trained it; empty if it is not known.
    location: address of its files, or of the model that was registered in MLflow's UI.
    version: in the registry, such as `fer_tune/3`; empty if it is not registered.
    tags: tags of the version, by the names in `fer_tune.tracking.tags`.
    """

    uri: str
    model_id: str
    run_id: str
    location: str
    version: str = ""
    tags: Mapping[str, str] = field(default_factory=dict)

    @property
    def label(self) -> str:
        """Its version; the ID of a model that is not registered."""
        return self.version or self.model_id

    @property
    def fixed_uri(self) -> str:
        """Its address without an alias, which may move to another model."""
        return f"models:/{self.label}"


def find_model(store: Store, uri: str) -> RecordedModel:
    """Return the model at an address.

    uri: `models:/<id>`, or in the registry `models:/<name>/<version>` or `models:/<name>@<alias>`.
    Raises UserError if the store has no such model.
    """
    client, name = store.client, uri.removeprefix("models:/")
    with store.explain_errors(f"model {uri} in {store}"):
        if "@" in name:
            return describe_version(uri, client.get_model_version_by_alias(*name.split("@", 1)))
        if "/" in name:
            return describe_version(uri, client.get_model_version(*name.split("/", 1)))
        model = client.get_logged_model(name)
        return RecordedModel(uri, name, model.source_run_id or "", str(model.artifact_location))


def describe_version(uri: str, version: ModelVersion) -> RecordedModel:
    """Return what MLflow knows of a version in the registry."""
    return RecordedModel(
        uri=uri,
        model_id=version.model_id or "",
        run_id=version.run_id or "",
        location=str(version.source),
        version=f"{version.name}/{version.version}",
        tags=version.tags,
    )
