"""An MLflow server that can be killed, frozen and started again."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from tests.faults.studies import processes_of, wait_until_gone
from tests.machine import free_port
from tests.waiting import answers, wait_until

PATIENCE = 90  # seconds until what is waited for has come about


class TrackingServer:
    """On loopback, with its database and its artifacts in `folder`.

    uri: the same after each start.
    """

    def __init__(self, folder: Path) -> None:
        self._port = free_port()
        self.uri = f"http://127.0.0.1:{self._port}"
        self.database = folder / "mlflow.db"
        self._folder = folder

    def start(self) -> None:
        """Returns when it answers."""
        command = [
            *(sys.executable, "-m", "mlflow", "server", "--workers", "1"),
            *("--host", "127.0.0.1", "--port", str(self._port)),
            *("--backend-store-uri", f"sqlite:///{self.database}"),
            *("--artifacts-destination", str(self._folder / "artifacts")),
        ]
        with (self._folder / "server.txt").open("a") as shown:
            self._process = subprocess.Popen(
                command,
                env=os.environ | {"MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false"},
                stdout=shown,
                stderr=shown,
                start_new_session=True,
            )
        wait_until(self._is_healthy, "the tracking server answers", PATIENCE)

    def kill(self) -> None:
        """kill -9, also where it is frozen."""
        self._signal(signal.SIGKILL)
        self._process.wait()
        wait_until_gone(self._process.pid)

    def freeze(self) -> None:
        """It accepts connections, since the kernel does, and never answers."""
        self._signal(signal.SIGSTOP)

    def thaw(self) -> None:
        """It goes on, with what it was asked meanwhile."""
        self._signal(signal.SIGCONT)

    def _signal(self, sign: signal.Signals) -> None:
        for process in processes_of(self._process.pid):
            with suppress(ProcessLookupError):
                os.kill(process, sign)

    def _is_healthy(self) -> bool:
        assert self._process.poll() is None, (self._folder / "server.txt").read_text()
        return answers(f"{self.uri}/health")


@contextmanager
def tracking_server(folder: Path) -> Iterator[TrackingServer]:
    """One that answers; killed at the end."""
    folder.mkdir()
    server = TrackingServer(folder)
    try:
        server.start()
        yield server
    finally:
        server.kill()
