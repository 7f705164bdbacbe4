"""Where the MLflow UI shows a study, and how to start it."""

import shlex
from urllib.parse import quote, urlencode

from fer_tune.tracking import tags
from fer_tune.tracking.best import best_name
from fer_tune.tracking.store import Store
from fer_tune.training.metrics import direction

_PORT = 5000


def ui_command(store: Store) -> str | None:
    """The shell command that shows a local store or a database; None for a server: it is one.

    A password is left out: whoever types the command knows it.
    """
    if store.is_server:
        return None
    return f"mlflow ui --backend-store-uri {shlex.quote(str(store))} --port {_PORT}"


def study_address(store: Store, run_id: str, metric: str) -> str:
    """The page with the curves of all the study's trials, the best trial first.

    Sorting by a metric also makes the page list trials without unfolding their study.

    run_id, metric: of the study.
    """
    host = str(store).rstrip("/") if store.is_server else f"http://127.0.0.1:{_PORT}"
    query = {
        "workflowType": "machine_learning",
        "compareRunsMode": "CHART",
        "searchFilter": f"tags.`{tags.PARENT}` = '{run_id}'",
        "orderByKey": f"metrics.`{best_name(metric)}`",
        "orderByAsc": str(direction(metric) == "min").lower(),
    }
    page = f"/#/experiments/{store.experiment_id}/runs"
    return f"{host}{page}?{urlencode(query, quote_via=quote)}"
