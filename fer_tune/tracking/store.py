"""The tracking store: a local folder, a database or a server, checked before it is used."""

import os
import textwrap
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from pydantic import ValidationError

from fer_tune.common.errors import MissingStudyError, UserError
from fer_tune.common.safe_text import hide_passwords
from fer_tune.common.validation_errors import format_validation_error
from fer_tune.events import current_time_ms
from fer_tune.tracking import local_store
from fer_tune.tracking.local_store import ARTIFACTS_FOLDER, EXPERIMENT, RUN_SEARCH_HINT
from fer_tune.tracking.mlflow_command import format_mlflow_command
from fer_tune.tracking.mlflow_metric_names import to_mlflow_name
from fer_tune.tracking.store_address import DEFAULT_DATABASE, find_local_database

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities import Run

_PROBE_SECONDS = 5
PAGE_SIZE = 1000  # results of one request
_OLDEST_FIRST = "attributes.start_time ASC"


@dataclass(frozen=True)
class Store:
    """A tracking store that answered.

    uri: address for MLflow. It may hold a password: show people `str(store)`.
    experiment_id: ID of the experiment `fer_tune`.
    """

    uri: str
    experiment_id: str

    def __str__(self) -> str:
        return hide_passwords(self.uri)

    @property
    def is_server(self) -> bool:
        """Whether it is an MLflow tracking server, which has a UI of its own."""
        return self.uri.startswith(("http:", "https:"))

    @cached_property
    def client(self) -> "MlflowClient":
        """A client of this store; MLflow's global tracking URI is neither read nor set."""
        from mlflow import MlflowClient

        return MlflowClient(tracking_uri=self.uri, registry_uri=self.uri)

    @contextmanager
    def explain_errors(self, problem: str = "", advice: str = "") -> Iterator[None]:
        """Raise UserError for an error of MLflow: the problem, the error in a line, the advice.

        problem: what failed; if empty, the name of the store.
        """
        from mlflow.exceptions import MlflowException

        try:
            yield
        except (MlflowException, OSError) as error:
            line = f"{problem or f'tracking store {self}'}: {summarize_error(error)}"
            raise UserError(f"{line}{advice and '; '}{advice}") from error

    def find_runs(self, marks: Mapping[str, str], *, deleted: bool | None = False) -> "list[Run]":
        """Return the runs of the experiment with these tags, oldest first.

        marks: values of tags by name; an empty value stands for any.
        deleted: only those that were deleted in MLflow, which keeps them for a while. None for all.
        """
        from mlflow.entities import ViewType
        from mlflow.utils import get_results_from_paginated_fn

        conditions = (
            f"tags.`{name}` = '{value}'" if value else f"tags.`{name}` != ''"
            for name, value in marks.items()
        )
        query, ids = " AND ".join(conditions), [self.experiment_id]
        views = {None: ViewType.ALL, True: ViewType.DELETED_ONLY, False: ViewType.ACTIVE_ONLY}
        runs: list[Run] = get_results_from_paginated_fn(
            lambda size, token: self.client.search_runs(
                ids, query, views[deleted], size, [_OLDEST_FIRST], token
            ),
            PAGE_SIZE,
        )
        return runs

    def log_params(self, run_id: str, params: Mapping[str, object]) -> None:
        """Log parameters of a run in one call; None is left out."""
        from mlflow.entities import Param

        batch = [Param(name, str(value)) for name, value in params.items() if value is not None]
        self.client.log_batch(run_id, params=batch)

    def log_metrics(self, run_id: str, metrics: Mapping[str, float], step: int = 0) -> None:
        """Log metrics of a run in one call."""
        from mlflow.entities import Metric

        now = current_time_ms()
        batch = [Metric(to_mlflow_name(k), value, now, step) for k, value in metrics.items()]
        self.client.log_batch(run_id, metrics=batch)

    def read_text(self, run_id: str, name: str) -> str:
        """Return the text of an artifact of a run.

        Raises MlflowException or OSError if the run has no such artifact, or the store fails.
        """
        # mlflow.artifacts.load_text does this too, but only in the global tracking URI.
        with TemporaryDirectory() as folder:
            path = self.client.download_artifacts(run_id, name, folder)
            return Path(path).read_text(encoding="utf-8")

    def find_text(self, run_id: str, name: str) -> str | None:
        """Return the text of an artifact; None if it cannot be read."""
        with suppress(UserError), self.explain_errors():
            return self.read_text(run_id, name)
        return None


def open_store(uri: str | None = None, *, create: bool = True, needs_write: bool = True) -> Store:
    """Return the store at `uri`, with the experiment `fer_tune`.

    uri: a folder that holds `mlflow.db` and `artifacts/`, or an address that begins with sqlite:,
        http:, https:, postgresql:, mysql: or mssql:. None is the folder `mlruns`.
        It also has the artifacts of a database on a server.
    create: make what is missing. Otherwise a store without studies is an error.
    needs_write: a local store that cannot be written to is an error.
    Raises UserError within seconds if the store does not answer.
    """
    os.environ.pop("MLFLOW_ACTIVE_MODEL_ID", None)  # MLflow would link metrics to this model
    if database := find_local_database(uri):
        database = database.absolute()
        local_store.ensure_sqlite_database(database, create, needs_write)
        local_store.update_artifact_addresses(database)
        local_store.follow_moved_artifacts()
        return _open_experiment(f"sqlite:///{database}", database, create)
    assert uri is not None
    scheme = uri.split(":")[0].split("+")[0]
    if scheme in ("http", "https"):
        _probe_server(uri)
        return _open_experiment(uri, None, create)
    if scheme in ("postgresql", "mysql", "mssql"):
        _probe_database(uri)
        return _open_experiment(uri, DEFAULT_DATABASE, create)
    raise UserError(
        f"tracking store {hide_passwords(uri)}: unknown kind of address '{scheme}:'; give a "
        "folder, sqlite:////path/to/mlflow.db, http://host:5000 or postgresql://..."
    )


def stop_retries() -> None:
    """Make MLflow send each request to a server once; the caller retries.

    MLflow also repeats a request whose answer was lost, and so creates two runs.
    """
    os.environ["MLFLOW_HTTP_REQUEST_MAX_RETRIES"] = "0"


def _probe_server(uri: str) -> None:
    from mlflow.exceptions import MlflowException
    from mlflow.utils.credentials import get_default_host_creds
    from mlflow.utils.rest_utils import http_request

    server = f"tracking server {hide_passwords(uri)}"
    try:
        answer = http_request(
            get_default_host_creds(uri), "/health", "GET", max_retries=0, timeout=_PROBE_SECONDS
        )
    except (MlflowException, OSError) as error:
        hint = "is it running, and is the address right?"
        raise UserError(f"{server}: does not answer; {hint}") from error
    if answer.status_code >= 500:
        raise UserError(f"{server}: answers with status {answer.status_code}; see its log")


def _probe_database(uri: str) -> None:
    import sqlalchemy

    store = f"tracking store {hide_passwords(uri)}"
    try:
        engine = sqlalchemy.create_engine(uri, connect_args={"connect_timeout": _PROBE_SECONDS})
        engine.connect().close()
        engine.dispose()
    except ModuleNotFoundError as error:
        raise UserError(f"{store}: needs the package {error.name}; install it") from error
    except (sqlalchemy.exc.SQLAlchemyError, ValueError) as error:  # a port that is no number
        hint = "is the database running, and is the address right?"
        raise UserError(f"{store}: {summarize_error(error)}; {hint}") from error


def _open_experiment(uri: str, database: Path | None, create: bool) -> Store:
    """Return the store.

    database: a new experiment has its artifacts next to it; None for where the server has them.
    """
    store = Store(uri, experiment_id="")
    problem = f"tracking store {store}: answers, but not as an MLflow server does"
    with store.explain_errors("" if database else problem):
        return Store(uri, _find_or_create_experiment(store, database, create))


def _find_or_create_experiment(store: Store, database: Path | None, create: bool) -> str:
    from mlflow.exceptions import MlflowException

    experiment = store.client.get_experiment_by_name(EXPERIMENT)
    if experiment is None and not create:
        raise MissingStudyError(f"no studies in {store}; {RUN_SEARCH_HINT}")
    if experiment is None:
        artifacts = database and database.absolute().with_name(ARTIFACTS_FOLDER)
        location = artifacts.as_uri() if artifacts else None
        try:
            return store.client.create_experiment(EXPERIMENT, location)
        except MlflowException:
            # A study that began at the same moment may have created it.
            experiment = store.client.get_experiment_by_name(EXPERIMENT)
            if experiment is None:
                raise
    if experiment.lifecycle_stage != "active":
        arguments = ("experiments", "restore", "--experiment-id", experiment.experiment_id)
        command = format_mlflow_command(store.uri, *arguments)
        raise UserError(f"experiment {EXPERIMENT} was deleted; restore it with {command}")
    return str(experiment.experiment_id)


def summarize_error(error: Exception) -> str:
    """Return the first line of an error's message, shortened and without passwords."""
    if isinstance(error, ValidationError):
        return format_validation_error(error)
    lines = str(error).strip().splitlines() or [type(error).__name__]
    return textwrap.shorten(hide_passwords(lines[0]), 200, placeholder=" ...")
