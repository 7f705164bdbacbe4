"""Which of the models in a store is meant where nobody names one."""

from fer_tune.common.errors import UserError
from fer_tune.tracking import registry
from fer_tune.tracking.store import Store, summarize_error

CHAMPION_URI = f"models:/{registry.MODEL_NAME}@{registry.CHAMPION}"


def find_default_model_uri(store: Store) -> str:
    """The registry's champion, else the model that was trained again last.

    Raises UserError where there is neither, or the store fails.
    """
    from mlflow.exceptions import MlflowException

    try:
        return CHAMPION_URI if registry.find_champion(store) else _find_newest_model_uri(store)
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
