import shlex
import subprocess
from pathlib import Path

from fer_tune.tracking.store import Store
from fer_tune.tracking.ui_view_and_links import build_ui_command


def _read_ui_target() -> str:
    """Return the command that `make ui` runs, without the ARGS of the `make` that runs the test."""
    make = ["make", "--dry-run", "-C", str(Path(__file__).parents[1]), "ARGS=", "ui"]
    shown = subprocess.run(make, check=True, capture_output=True, text=True).stdout
    lines = shown.replace("\\\n", " ").splitlines()
    return next(line for line in lines if "bin/mlflow ui" in line)


def test_the_ui_listens_on_loopback_and_checks_the_hosts_that_it_is_asked_as() -> None:
    from mlflow.cli import server
    from mlflow.server.security_utils import is_allowed_host_header

    words = shlex.split(_read_ui_target().partition("bin/mlflow ui")[2])
    read = server.make_context("ui", words).params
    assert read["host"] == "127.0.0.1"
    allowed = read["allowed_hosts"].split(",")
    assert is_allowed_host_header(allowed, "localhost:5000")
    assert is_allowed_host_header(allowed, "127.0.0.1:5000")
    assert not is_allowed_host_header(allowed, "192.168.0.7:5000")


def test_a_search_prints_the_command_of_make_ui() -> None:
    printed = build_ui_command(Store("sqlite:///mlruns/mlflow.db", "1"))
    variable, _, options = _read_ui_target().strip().partition(" ")
    target = f"{variable} {options.partition('bin/mlflow ')[2].strip()} --port 5000"
    words = shlex.split(str(printed))
    assert words[2:4] == ["-m", "mlflow"]
    assert [words[0], *words[4:]] == shlex.split(target)
