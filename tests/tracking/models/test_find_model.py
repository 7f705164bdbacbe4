import pytest

from fer_tune.common.errors import UserError
from fer_tune.tracking.models.find_model import find_model
from fer_tune.tracking.store import Store


def test_a_model_is_found_by_its_id_its_version_and_its_alias(store: Store) -> None:
    client = store.client
    run_id = client.create_run(store.experiment_id).info.run_id
    logged = client.create_logged_model(store.experiment_id, "fer_net", run_id)
    client.create_registered_model("wanted")
    client.create_model_version(
        "wanted", logged.artifact_location, run_id, {"a": "b"}, model_id=logged.model_id
    )
    client.set_registered_model_alias("wanted", "best", "1")
    names = (logged.model_id, "wanted/1", "wanted@best")
    own, version, alias = (find_model(store, f"models:/{name}") for name in names)
    assert (own.label, own.version, own.tags) == (logged.model_id, "", {})
    assert (version.label, version.tags, alias.label) == ("wanted/1", {"a": "b"}, "wanted/1")
    for model in (own, version, alias):
        assert (model.run_id, model.location) == (run_id, logged.artifact_location)
    assert alias.uri == "models:/wanted@best"
    assert (own.fixed_uri, alias.fixed_uri) == (own.uri, version.uri)


def test_an_alias_that_no_version_has_is_one_line(store: Store) -> None:
    with pytest.raises(UserError, match="model models:/nobody@best in") as error:
        find_model(store, "models:/nobody@best")
    assert "\n" not in str(error.value)
