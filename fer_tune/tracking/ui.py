"""Where the MLflow UI shows a study, and how to start it."""

import shlex

from fer_tune.tracking.store import Store

_PORT = 5000


def build_ui_command(store: Store) -> str | None:
    """The shell command that shows a local store or a database; None for a server: it is one.

    A password is left out: whoever types the command knows it.
    """
    if store.is_server:
        return None
    return f"mlflow ui --backend-store-uri {shlex.quote(str(store))} --port {_PORT}"


def build_study_url(store: Store, run_id: str) -> str:
    """The address of `build_study_path`."""
    host = str(store).rstrip("/") if store.is_server else f"http://127.0.0.1:{_PORT}"
    return f"{host}/{build_study_path(store, run_id)}"


def build_study_path(store: Store, run_id: str) -> str:
    """The page of a study's trials in its view (`fer_tune.tracking.view`), within the UI.

    run_id: of the study, and the key of its view.
    """
    # A filter or an order in the address would keep MLflow from looking at the view.
    query = f"workflowType=machine_learning&compareRunsMode=TABLE&viewStateShareKey={run_id}"
    return f"#/experiments/{store.experiment_id}/runs?{query}"
