"""MLflow's UI as `make ui` starts it."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from tests.machine import free_port
from tests.waiting import answers, wait_until

_ROOT = Path(__file__).parents[2]


@contextmanager
def mlflow_ui(folder: Path) -> Iterator[str]:
    """Yield the address of a UI that answers and shows the `mlruns` in `folder`."""
    port = free_port()
    quiet = os.environ | {"MLFLOW_DISABLE_TELEMETRY": "true"}
    with (folder / "ui.txt").open("w") as shown:
        server = subprocess.Popen(
            ["sh", "-c", _command(port)],
            cwd=folder,
            env=quiet,
            stdout=shown,
            stderr=shown,
            start_new_session=True,
        )
    address = f"http://127.0.0.1:{port}"

    def is_healthy() -> bool:
        assert server.poll() is None, (folder / "ui.txt").read_text()
        return answers(f"{address}/health")

    try:
        wait_until(is_healthy, "MLflow's page answers")
        yield address
    finally:
        with suppress(ProcessLookupError):
            os.killpg(server.pid, signal.SIGKILL)
        server.wait()


def _command(port: int) -> str:
    """Return the command that `make ui` runs, with the programs of this environment."""
    options = ["--old-file", ".venv/.installed", f"BIN={Path(sys.executable).parent}"]
    make = [
        "make",
        "--dry-run",
        "-C",
        str(_ROOT),
        *options,
        f"ARGS=--port {port} --workers 1",
        "ui",
    ]
    shown = subprocess.run(make, check=True, capture_output=True, text=True).stdout
    return "\n".join(line for line in shown.splitlines() if not line.startswith("make"))
