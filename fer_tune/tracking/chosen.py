"""Which of the models in a store is meant where nobody names one."""

from fer_tune.common.errors import UserError
from fer_tune.tracking import registry
from fer_tune.tracking.store import Store, first_line

CHAMPION = f"models:/{registry.NAME}@{registry.CHAMPION}"


def chosen_model(store: Store) -> str:
    """The registry's champion, else the model that was trained again last.

    Raises UserError where there is neither, or the store fails.
    """
    from mlflow.exceptions import MlflowException

    try:
        return CHAMPION if registry.champion(store) else _newest(store)
    except MlflowException as error:
        raise UserError(f"tracking store {store}: {first_line(error)}") from error


def _newest(store: Store) -> str:
    from mlflow.entities import LoggedModelStatus

    newest_first = [{"field_name": "creation_timestamp", "ascending": False}]
    for model in store.client().search_logged_models([store.experiment_id], order_by=newest_first):
        if model.status == LoggedModelStatus.READY:  # others were broken off as they were written
            return f"models:/{model.model_id}"
    raise UserError(
        f"no model in {store}; train one with python -m fer_tune.retrain --study NAME, "
        "or say with --model which, and with --tracking-uri where it is"
    )
