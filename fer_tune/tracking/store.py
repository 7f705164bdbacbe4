"""Where runs are kept: a local folder, a database or a tracking server, reached and checked."""

import logging
import os
import textwrap
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from fer_tune.common.errors import UserError
from fer_tune.common.text import hide_passwords
from fer_tune.tracking.sqlite import RUN_SEARCH_HINT, ensure_sqlite_database

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities import Run

EXPERIMENT = "fer_tune"

_DEFAULT_FOLDER, _DATABASE_FILE = Path("mlruns"), "mlflow.db"
_PROBE_SECONDS = 5
_SERVERS = ("http", "https")
_DATABASES = ("postgresql", "mysql", "mssql")
_URI_HELP = (
    "give a folder, sqlite:////absolute/path/mlflow.db, http://host:5000 or postgresql://..."
)


@dataclass(frozen=True)
class Store:
    """A store that answered.

    uri: as MLflow takes it; may hold a password, so people are shown `str(store)`.
    experiment_id: of the experiment `fer_tune` in it.
    """

    uri: str
    experiment_id: str

    def __str__(self) -> str:
        return hide_passwords(self.uri)

    @property
    def is_server(self) -> bool:
        """Whether it is an MLflow tracking server, with an interface of its own."""
        return self.uri.startswith(("http:", "https:"))

    def create_client(self) -> "MlflowClient":
        """A client of this store; MLflow's global tracking URI is neither read nor set."""
        from mlflow import MlflowClient

        return MlflowClient(tracking_uri=self.uri, registry_uri=self.uri)

    def search_runs(self, filter_string: str) -> Iterator["Run"]:
        """The experiment's runs that MLflow's filter `where` selects, oldest first."""
        client, token = self.create_client(), None
        while True:
            page = client.search_runs(
                [self.experiment_id],
                filter_string,
                max_results=1000,
                order_by=["attributes.start_time ASC"],
                page_token=token,
            )
            yield from page
            token = page.token
            if not token:
                return


def open_store(
    uri: str | None = None, root: Path = _DEFAULT_FOLDER, *, create: bool = True
) -> Store:
    """Reach the store at `uri` and make sure that it has the experiment `fer_tune`.

    uri: a folder (holding `mlflow.db` and `artifacts/`, made if missing), or a sqlite:, http(s):,
        postgresql:, mysql: or mssql: address; None is the folder `root`.
    root: also takes the artifacts of the runs in a database on a server.
    create: without it nothing is made, and a store without studies is an error.
    Raises UserError within seconds where the store cannot be written to or does not answer.
    """
    _configure_mlflow()
    if database := _resolve_local_database(uri, root):
        return _open_sqlite(database, create)
    assert uri is not None
    scheme = uri.split(":")[0].split("+")[0]
    if scheme in _SERVERS:
        _probe_server(uri)
        return _open_experiment(uri, None, create)
    if scheme in _DATABASES:
        _probe_database(uri)
        return _open_experiment(uri, root / "artifacts", create)
    raise UserError(
        f"tracking store {hide_passwords(uri)}: nothing known by '{scheme}:'; {_URI_HELP}"
    )


def is_default_store(uri: str | None) -> bool:
    """Whether the store at `uri` is the one that `open_store` opens where nothing is said."""
    database = _resolve_local_database(uri, _DEFAULT_FOLDER)
    return (
        database is not None
        and database.absolute() == (_DEFAULT_FOLDER / _DATABASE_FILE).absolute()
    )


def _resolve_local_database(uri: str | None, root: Path) -> Path | None:
    """The file of a local store; None for an address of another kind."""
    if uri is None or ":" not in uri:
        return Path(uri or root) / _DATABASE_FILE
    return Path(uri.removeprefix("sqlite:///")) if uri.startswith("sqlite:///") else None


def _configure_mlflow() -> None:
    """Before MLflow is imported: no telemetry, no chatter, and retries in seconds, not minutes."""
    for name, value in {
        "MLFLOW_DISABLE_TELEMETRY": "true",
        "MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT": "true",
        "MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR": "false",
        "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "2",
        "MLFLOW_HTTP_REQUEST_TIMEOUT": "30",
        "MLFLOW_LOGGING_LEVEL": "ERROR",
    }.items():
        os.environ.setdefault(name, value)
    logging.getLogger("alembic").setLevel(logging.WARNING)
    # It logs the traceback of every database error before raising it.
    logging.getLogger("mlflow.store.db.utils").setLevel(logging.CRITICAL)


def stop_retries() -> None:
    """From now on MLflow asks a server once, and whoever uses it has to try again.

    It asks again after a lost answer too, and so makes two runs.
    """
    os.environ["MLFLOW_HTTP_REQUEST_MAX_RETRIES"] = "0"


def _open_sqlite(database: Path, create: bool) -> Store:
    database = database.absolute()
    ensure_sqlite_database(database, create)
    return _open_experiment(f"sqlite:///{database}", database.parent / "artifacts", create)


def _probe_server(uri: str) -> None:
    from mlflow.exceptions import MlflowException
    from mlflow.utils.credentials import get_default_host_creds
    from mlflow.utils.rest_utils import http_request

    if not _has_host(uri):
        raise UserError(f"tracking server {hide_passwords(uri)}: is no address; {_URI_HELP}")
    try:
        answer = http_request(
            get_default_host_creds(uri), "/health", "GET", max_retries=0, timeout=_PROBE_SECONDS
        )
    except (MlflowException, OSError) as error:
        raise UserError(
            f"tracking server {hide_passwords(uri)}: does not answer; is it running, "
            "and is the address right?"
        ) from error
    if answer.status_code >= 500:
        raise UserError(
            f"tracking server {hide_passwords(uri)}: answers with status {answer.status_code}; "
            "see its log"
        )


def _has_host(uri: str) -> bool:
    try:
        parts = urlsplit(uri)
        return bool(parts.hostname) and parts.port != 0
    except ValueError:  # a port that is no number, a bracket without its partner
        return False


def _probe_database(uri: str) -> None:
    import sqlalchemy

    try:
        engine = sqlalchemy.create_engine(uri, connect_args={"connect_timeout": _PROBE_SECONDS})
        with engine.connect():
            pass
        engine.dispose()
    except ModuleNotFoundError as error:
        raise UserError(
            f"tracking store {hide_passwords(uri)}: needs the package {error.name}; install it"
        ) from error
    except (sqlalchemy.exc.SQLAlchemyError, ValueError) as error:  # a port that is no number
        raise UserError(
            f"tracking store {hide_passwords(uri)}: {summarize_error(error)}; "
            "is the database running, and is the address right?"
        ) from error


def _open_experiment(uri: str, artifacts: Path | None, create: bool) -> Store:
    from mlflow.exceptions import MlflowException

    store = Store(uri, experiment_id="")
    try:
        return Store(uri, _find_or_create_experiment(store, artifacts, create))
    except MlflowException as error:
        what = "answers, but not as an MLflow server does: " if artifacts is None else ""
        raise UserError(f"tracking store {store}: {what}{summarize_error(error)}") from error


def _find_or_create_experiment(store: Store, artifacts: Path | None, create: bool) -> str:
    from mlflow.exceptions import MlflowException

    client = store.create_client()
    found = client.get_experiment_by_name(EXPERIMENT)
    if found is None and not create:
        raise UserError(f"no studies in {store}; {RUN_SEARCH_HINT}")
    if found is None:
        location = artifacts.absolute().as_uri() if artifacts else None
        try:
            return client.create_experiment(EXPERIMENT, artifact_location=location)
        except MlflowException:
            # Another study that began at the same moment may have made it.
            found = client.get_experiment_by_name(EXPERIMENT)
            if found is None:
                raise
    if found.lifecycle_stage != "active":
        raise UserError(
            f"experiment {EXPERIMENT} was deleted; bring it back with "
            f"mlflow experiments restore --experiment-id {found.experiment_id}"
        )
    return str(found.experiment_id)


def summarize_error(error: Exception) -> str:
    """What an error says, cut to one line that people read, without a password."""
    lines = str(error).strip().splitlines() or [type(error).__name__]
    return textwrap.shorten(hide_passwords(lines[0]), 200, placeholder=" ...")
