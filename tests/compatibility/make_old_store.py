"""Record again what commit 73610da leaves, for the tests in this folder.

python -m tests.compatibility.make_old_store   from the root of a clone that has the commit

The studies run with the code of that commit, in a temporary folder. They take two minutes.
"""

import os
import signal
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

from tests.compatibility.old_store import DATABASE, FACES, draw_faces, keep

COMMIT = "73610da"
CHECKOUT = "checkout"  # of the commit, below the working folder
SPACE = """\
parameters:
  learning_rate: {type: float, low: 1.0e-9, high: 1.0, log: true}
  weight_decay: {type: float, low: 0.0, high: 10.0}
fixed: {width: 4, depth: 1, head: average, batch_size: 4}
first_trials:
  - {learning_rate: 0.01, weight_decay: 0.0}
  - {learning_rate: 1.0e-9, weight_decay: 0.0}  # learns nothing, so ASHA stops it
  - {learning_rate: 0.03, weight_decay: 0.0}
  - {learning_rate: 1.0, weight_decay: 10.0}  # its weights grow beyond all bounds: it fails
"""
NEW = ["--data", FACES, "--space", "small.yaml", "--concurrent", "1"]
NEW += ["--cpus-per-trial", "1", "--epochs", "3", "--grace", "1", "--reduction", "3"]
LEFT_OUT = (
    "*.lock",
    # Written again, or only for people to look at.
    *("optuna.log", "front.csv", "report.html", "model_card.md", "*.png", "*input_example.json"),
)
LARGE = 50_000  # bytes, of a checkpoint or weights: those of the baseline


def main() -> None:
    """Run the studies, stop what is to be stopped, and keep what they leave."""
    with tempfile.TemporaryDirectory(prefix="old-store-") as folder:
        root = Path(folder).resolve()
        add = ["git", "worktree", "add", "--detach", str(root / CHECKOUT), COMMIT]
        subprocess.run(add, check=True)
        try:
            _run_studies(root)
        finally:
            remove = ["git", "worktree", "remove", "--force", str(root / CHECKOUT)]
            subprocess.run(remove, check=True)
        keep(root, _to_keep(root))


def _run_studies(root: Path) -> None:
    draw_faces(root / FACES)
    (root / "small.yaml").write_text(SPACE)
    run = Runner(root)
    run.to_the_end("search", *NEW, "--study", "finished", "--trials", "5")
    run.to_the_end("retrain", "--study", "finished", "--epochs", "2")
    again = ("--study", "finished", "--trial", "1", "--epochs", "6", "--no-against-paper")
    run.until(run.is_retraining, "retrain", *again)
    interrupted = ("--study", "interrupted", "--trials", "5")
    run.until(lambda: run.epochs("interrupted", 3) >= 1, "search", *NEW, *interrupted)
    paused = ("--study", "paused", "--trials", "4", "--scheduler", "asha-promotion")
    run.until(lambda: run.epochs("paused", 1) >= 2, "search", *NEW, *paused)


class Runner:
    """Runs commands of the old commit in one folder."""

    def __init__(self, root: Path) -> None:
        self._root = root
        path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
        self._environment = os.environ | {
            "PYTHONPATH": str(root / CHECKOUT),
            "PATH": path,
            "FER_TUNE_CACHE": str(root / "cache"),
            # MLflow records where a model was before it was logged.
            "TMPDIR": str(root),
            # The addresses of Ray's sockets must be short.
            "RAY_TMPDIR": tempfile.gettempdir(),
        }

    def to_the_end(self, command: str, *arguments: str) -> None:
        """Run the command. Raises CalledProcessError if it fails."""
        subprocess.run(
            self._typed(command, *arguments), cwd=self._root, env=self._environment, check=True
        )

    def until(self, condition: Callable[[], bool], command: str, *arguments: str) -> None:
        """Run the command and interrupt it, as Ctrl-C does, as soon as the condition holds."""
        typed = self._typed(command, *arguments)
        process = subprocess.Popen(typed, cwd=self._root, env=self._environment)
        while not condition():
            assert process.poll() is None, "the command ended before it could be interrupted"
            time.sleep(0.01)
        process.send_signal(signal.SIGINT)
        assert process.wait() == 130, "the command was not interrupted"

    def epochs(self, study: str, trial: int) -> int:
        """Return how many epochs of the trial are in the study's event log."""
        journal = self._root / "mlruns/studies" / study / "journal.jsonl"
        lines = journal.read_text().splitlines() if journal.exists() else []
        return sum(f'"number":{trial},' in each and '"kind":"epoch"' in each for each in lines)

    def is_retraining(self) -> bool:
        """Return whether MLflow has an epoch of a training that is running."""
        query = (
            "SELECT max(value) FROM latest_metrics JOIN runs USING (run_uuid) "
            "WHERE key = 'epoch' AND status = 'RUNNING'"
        )
        with closing(sqlite3.connect(self._root / DATABASE)) as database:
            (epoch,) = database.execute(query).fetchone()
        return epoch is not None

    def _typed(self, command: str, *arguments: str) -> list[str]:
        return [sys.executable, "-m", f"fer_tune.{command}", *arguments]


def _to_keep(root: Path) -> Iterator[Path]:
    """Yield the files of the store, without its database and the baseline's networks."""
    files = [path for path in sorted((root / "mlruns").rglob("*")) if path.is_file()]
    weights = [path for path in files if path.suffix in (".pt", ".safetensors")]
    large = {path for path in weights if path.stat().st_size > LARGE}
    # A model without its weights is of no use.
    models = {path.parents[1] for path in large if path.suffix == ".safetensors"}
    for path in files:
        left_out = path.suffix == ".db" or any(path.match(pattern) for pattern in LEFT_OUT)
        if not left_out and path not in large and not models & set(path.parents):
            yield path


if __name__ == "__main__":
    main()
