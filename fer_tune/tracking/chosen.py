"""Which of the models in a store is meant where nobody names one."""

from fer_tune.errors import UserError
from fer_tune.tracking.store import Store, first_line

CHAMPION = "models:/fer_tune@champion"


def chosen_model(store: Store) -> str:
    """The registry's champion, else the model that was trained again last.

    Raises UserError where there is neither, or the store fails.
    """
    from mlflow.exceptions import MlflowException

    try:
        return CHAMPION if _has_champion(store) else _newest(store)
    except MlflowException as error:
        raise UserError(f"tracking store {store}: {first_line(error)}") from error


def _has_champion(store: Store) -> bool:
    from mlflow.exceptions import MlflowException

    name, alias = CHAMPION.removeprefix("models:/").split("@")
    try:
        return alias in store.client().get_registered_model(name).aliases
    except MlflowException as error:
        if error.error_code == "RESOURCE_DOES_NOT_EXIST":
            return False
        raise


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
