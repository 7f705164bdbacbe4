import shlex
import subprocess
from pathlib import Path


def test_the_ui_listens_on_loopback_and_checks_the_hosts_that_it_is_asked_as() -> None:
    from mlflow.cli import server
    from mlflow.server.security_utils import is_allowed_host_header

    # Without the ARGS of the `make test` that runs this test.
    make = ["make", "--dry-run", "-C", str(Path(__file__).parents[1]), "ARGS=", "ui"]
    shown = subprocess.run(make, check=True, capture_output=True, text=True).stdout
    words = shlex.split(shown.replace("\\\n", " ").partition("bin/mlflow ui")[2].partition("\n")[0])
    read = server.make_context("ui", words).params
    assert read["host"] == "127.0.0.1"
    allowed = read["allowed_hosts"].split(",")
    assert is_allowed_host_header(allowed, "localhost:5000")
    assert is_allowed_host_header(allowed, "127.0.0.1:5000")
    assert not is_allowed_host_header(allowed, "192.168.0.7:5000")
