import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import ClassVar

import pytest
from mlflow.exceptions import MlflowException

from fer_tune.common.errors import UserError
from fer_tune.tracking.local_store import EXPERIMENT
from fer_tune.tracking.store import Store, open_store, stop_retries, summarize_error
from fer_tune.tracking.store_address import resolve_tracking_uri
from tests.machine import free_port


class _Stranger(BaseHTTPRequestHandler):
    """A web server that is not MLflow's. It notes each request and does not answer."""

    sent: ClassVar[list[str]] = []

    def do_GET(self) -> None:
        self.send_error(404)

    def do_POST(self) -> None:
        self.sent.append(self.path)
        self.close_connection = True

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def stranger() -> Iterator[str]:
    server = HTTPServer(("127.0.0.1", 0), _Stranger)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    thread.join()
    server.server_close()


def _error_line(uri: str, *, create: bool = True) -> str:
    with pytest.raises(UserError) as caught:
        open_store(uri, create=create)
    line = str(caught.value)
    assert "\n" not in line
    return line


def test_the_default_store_holds_a_database_the_experiment_and_nothing_else(store: Store) -> None:
    database = Path(store.uri.removeprefix("sqlite:///"))
    assert database.is_absolute()
    assert {p.name for p in database.parent.iterdir()} <= {"mlflow.db", "artifacts"}
    experiment = store.client.get_experiment(store.experiment_id)
    assert experiment.name == EXPERIMENT
    assert experiment.artifact_location == (database.parent / "artifacts").as_uri()


def test_a_store_is_the_same_by_folder_and_by_address(store: Store) -> None:
    folder = Path(store.uri.removeprefix("sqlite:///")).parent
    assert open_store(str(folder)) == store == open_store(store.uri)


def test_the_usual_store_is_known_by_each_of_its_addresses(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    here = f"sqlite:///{tmp_path}/mlruns/mlflow.db"
    addresses = (None, "mlruns", "sqlite:///mlruns/mlflow.db", here)
    assert {resolve_tracking_uri(address) for address in addresses} == {here}
    others = ("sqlite:////tmp/mlruns/mlflow.db", "http://127.0.0.1:5000", "elsewhere")
    assert here not in map(resolve_tracking_uri, others)


def test_a_store_below_a_file_gives_one_line(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("kept")
    assert "cannot be written" in _error_line(str(tmp_path / "file" / "mlruns"))
    assert [p.name for p in tmp_path.iterdir()] == ["file"]


def test_a_file_that_is_no_database_is_refused_and_left_as_it_was(tmp_path: Path) -> None:
    database = tmp_path / "mlflow.db"
    database.write_text("these are notes, not a database" * 10)
    before = database.read_bytes()
    assert "not a database" in _error_line(f"sqlite:///{database}")
    assert database.read_bytes() == before


def test_a_dead_server_gives_one_line() -> None:
    assert "does not answer" in _error_line(f"http://127.0.0.1:{free_port()}")


def test_a_server_gets_each_request_once_if_retries_are_stopped(
    stranger: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "2")
    stop_retries()
    with pytest.raises(MlflowException, match="failed"):
        Store(stranger, "1").client.create_run("1")
    assert _Stranger.sent == ["/api/2.0/mlflow/runs/create"]


def test_a_server_that_is_not_mlflow_gives_one_line(stranger: str) -> None:
    assert "not as an MLflow server" in _error_line(stranger)


@pytest.mark.parametrize("name", ["what?", "100%41"])
def test_a_folder_that_an_address_would_lead_out_of_is_refused(tmp_path: Path, name: str) -> None:
    assert "its path may not hold" in _error_line(str(tmp_path / name / "mlruns"))
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("uri", ["file:///tmp/mlruns", "ftp://host/mlruns", "sqlite://"])
def test_an_address_of_no_known_kind_is_refused_with_what_to_write(uri: str) -> None:
    assert "sqlite:////path/to/mlflow.db" in _error_line(uri)


@pytest.mark.parametrize(
    ("uri", "part"),
    [
        ("http:foo", "is the address right"),
        ("http://", "is the address right"),
        ("http://host:port", "is the address right"),
        ("https://[::1", "is the address right"),
        ("postgresql://h:port/runs", "is the address right?"),
        ("postgres://u:secret@h/db", "unknown kind of address 'postgres:'"),
        ("http://me:secret@127.0.0.1:9", "does not answer"),
        ("http://me:secret@127.0.0.1:port", "is the address right"),
        ("mysql://me:se/c:r@et@h/db", "mysql"),
    ],
)
def test_an_odd_address_gives_one_line_without_its_password(uri: str, part: str) -> None:
    line = _error_line(uri)
    assert part in line
    assert not [secret for secret in ("secret", "se/c", "r@et") if secret in line]


@pytest.mark.parametrize(
    "uri",
    [
        "postgresql://me:secret@host/runs",
        "postgresql+psycopg://me:a/secret@b@host/runs",
        "postgresql://host/runs?user=me&password=secret",
        "http://:secret@[::1",
    ],
)
def test_a_password_is_never_shown(uri: str) -> None:
    assert "secret" not in str(Store(uri, "1"))
    assert "secret" not in summarize_error(OSError(f"request to {uri} failed"))


def test_without_create_a_missing_store_is_refused_and_not_created(tmp_path: Path) -> None:
    line = _error_line(str(tmp_path / "mlruns"), create=False)
    hint = "run a search first, or name the store with --tracking-uri"
    assert line == f"no studies in {tmp_path / 'mlruns'}; {hint}"
    assert list(tmp_path.iterdir()) == []


def test_without_create_a_store_that_is_there_is_opened(store: Store) -> None:
    assert open_store(store.uri, create=False) == store


def test_a_filesystem_without_links_takes_a_store(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def link(*_: object) -> None:
        raise PermissionError(1, "Operation not permitted")

    monkeypatch.setattr("os.link", link)
    assert open_store(str(tmp_path)).uri == f"sqlite:///{tmp_path}/mlflow.db"
    assert [path.name for path in tmp_path.iterdir()] == ["mlflow.db"]


@pytest.mark.slow
def test_two_studies_that_begin_at_once_share_one_new_store(tmp_path: Path) -> None:
    program = "from fer_tune.tracking.store import open_store; print(open_store().experiment_id)"
    both = [
        subprocess.Popen([sys.executable, "-c", program], cwd=tmp_path, stdout=subprocess.PIPE)
        for _ in range(2)
    ]
    answers = [process.communicate()[0] for process in both]
    assert [process.returncode for process in both] == [0, 0]
    assert answers[0] == answers[1]


def test_a_variable_of_mlflow_links_no_metrics_to_another_model(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MLFLOW_ACTIVE_MODEL_ID", "m-of-another-project")
    open_store(str(tmp_path))
    assert "MLFLOW_ACTIVE_MODEL_ID" not in os.environ
