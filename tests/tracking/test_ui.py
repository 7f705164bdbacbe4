from collections.abc import Callable

from fer_tune.tracking.description import StudyDescription
from fer_tune.tracking.recorder import Recorder
from fer_tune.tracking.store import Store
from fer_tune.tracking.studies import find_study
from fer_tune.tracking.ui import study_address, ui_command


def test_the_ui_is_started_on_a_local_store_and_opened_on_a_server(
    store: Store, describe: Callable[..., StudyDescription]
) -> None:
    Recorder(store, describe(metric="val/loss"), resume=False)
    study = find_study(store, describe().name)
    assert ui_command(store) == f"mlflow ui --backend-store-uri {store.uri} --port 5000"
    address = study_address(store, study.run_id, study.metric)
    assert address.startswith(f"http://127.0.0.1:5000/#/experiments/{store.experiment_id}/runs?")
    assert study.run_id in address
    assert "best%2Floss" in address
    assert address.endswith("orderByAsc=true")

    server = Store("http://tracking:8080/", "3")
    assert ui_command(server) is None
    address = study_address(server, study.run_id, study.metric)
    assert address.startswith("http://tracking:8080/#/experiments/3/runs?")
