from collections.abc import Callable

from fer_tune.tracking.recorder import EventRecorder
from fer_tune.tracking.run_info import StudyInfo
from fer_tune.tracking.store import Store
from fer_tune.tracking.ui import build_study_url, build_ui_command


def test_the_ui_is_started_on_a_local_store_and_opened_on_a_server(
    store: Store, describe: Callable[..., StudyInfo]
) -> None:
    run_id = EventRecorder(store, describe(), resume=False).run_id
    assert build_ui_command(store) == f"mlflow ui --backend-store-uri {store.uri} --port 5000"
    address = build_study_url(store, run_id)
    assert address.startswith(f"http://127.0.0.1:5000/#/experiments/{store.experiment_id}/runs?")

    server = Store("http://tracking:8080/", "3")
    assert build_ui_command(server) is None
    address = build_study_url(server, run_id)
    assert address.startswith("http://tracking:8080/#/experiments/3/runs?")


def test_the_address_names_the_view_that_the_experiment_has(
    store: Store, describe: Callable[..., StudyInfo]
) -> None:
    run_id = EventRecorder(store, describe(), resume=False).run_id
    key = build_study_url(store, run_id).partition("viewStateShareKey=")[2]
    experiment = store.create_client().get_experiment(store.experiment_id)
    assert f"mlflow.sharedViewState.{key}" in experiment.tags


def test_a_study_that_goes_on_gets_a_view_where_it_had_none(
    store: Store, describe: Callable[..., StudyInfo]
) -> None:
    run_id = EventRecorder(store, describe(), resume=False).run_id
    key = f"mlflow.sharedViewState.{run_id}"
    store.create_client().delete_experiment_tag(store.experiment_id, key)
    EventRecorder(store, describe(), resume=True)
    assert key in store.create_client().get_experiment(store.experiment_id).tags
