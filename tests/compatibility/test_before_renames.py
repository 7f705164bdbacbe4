"""Records of commit 73610da are read, resumed, served and compared."""

import csv
import io
import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from fer_tune.__main__ import main
from tests.compatibility.old_store import DATABASE, FACES, rebuild

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities import Run

ONE_CORE = ["--concurrent", "1", "--cpus-per-trial", "1"]
STEPS = 240 // 4  # in an epoch: the training faces over the batch size
TOLERANCE = 0.02  # of a probability: processors round differently
SERVED = """
import glob, json, mlflow, numpy as np
from PIL import Image
model = mlflow.pyfunc.load_model("models:/fer_tune@champion")
files = sorted(glob.glob("faces/test/*/*.png"))
table = model.predict(np.stack([np.asarray(Image.open(each)) for each in files]))
import fer_tune
print(json.dumps([fer_tune.__file__, table.max(axis=1).tolist()]))
"""


@pytest.fixture(autouse=True)
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The working folder of the old studies, which is the current one."""
    rebuild(tmp_path)
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("RAY_ADDRESS", raising=False)
    monkeypatch.setenv("FER_TUNE_CACHE", str(tmp_path / "cache"))
    return tmp_path


def fer_tune(*typed: str) -> None:
    """Run a command as a user types it; it must succeed."""
    with pytest.raises(SystemExit) as end:
        main(typed)
    assert end.value.code == 0


def client() -> "MlflowClient":
    from mlflow import MlflowClient

    return MlflowClient(f"sqlite:///{DATABASE.absolute()}")


def runs_with(tags: dict[str, str]) -> "list[Run]":
    """Return the runs with these tags, without the prefix `fer_tune.`, oldest first."""
    wanted = " AND ".join(f"tags.`fer_tune.{name}` = '{value}'" for name, value in tags.items())
    return list(client().search_runs(["1"], wanted, order_by=["attributes.start_time ASC"]))


def retraining(study: str, trial: int, epochs: int) -> "Run":
    """Return the run of the one retraining of this trial and length."""
    tags = {"retrained_study": study, "retrained_trial": trial, "retrained_epochs": epochs}
    (run,) = runs_with({name: str(value) for name, value in tags.items()})
    return run


def predictions_of(trial: int) -> Path:
    """Return where the finished study's retraining of a trial wrote its test predictions."""
    tags = {"retrained_study": "finished", "retrained_trial": str(trial), "seed": "0"}
    (run, *_) = runs_with(tags)
    return Path("mlruns/artifacts", run.info.run_id, "artifacts/test_predictions.csv")


def events_of(study: str) -> list[dict[str, Any]]:
    journal = Path("mlruns/studies", study, "journal.jsonl")
    return [json.loads(line) for line in journal.read_text().splitlines()]


def last_endings(events: list[dict[str, Any]]) -> dict[int, str]:
    return {each["number"]: each["ending"] for each in events if each["kind"] == "ended"}


def recorded_probabilities() -> list[float]:
    """Return the champion's probabilities of the classes that it predicted, in ascending order."""
    rows = csv.DictReader(io.StringIO(predictions_of(trial=1).read_text()))
    return sorted(float(row["probability"]) for row in rows)


@contextmanager
def counted_steps() -> Iterator[list[int]]:
    """Count the optimizer's steps in this process."""
    from torch.optim.optimizer import register_optimizer_step_post_hook

    steps: list[int] = []
    hook = register_optimizer_step_post_hook(lambda *_: steps.append(1))
    try:
        yield steps
    finally:
        hook.remove()


@pytest.mark.parametrize(("study", "trial"), [("interrupted", 3), ("paused", 1)])
def test_an_interrupted_study_is_resumed(study: str, trial: int) -> None:
    before = events_of(study)
    assert last_endings(before)[trial] == "interrupted"
    known = {run.info.run_id for run in runs_with({"study": study})}
    fer_tune("search", "--resume", study, *ONE_CORE)

    after = events_of(study)
    assert after[: len(before)] == before
    assert "remarked" not in {each["kind"] for each in after}  # no checkpoint was missed
    results = [
        each["result"] for each in after if each["kind"] == "epoch" and each["number"] == trial
    ]
    assert [each["epoch"] for each in results] == [1, 2, 3]
    settings = json.loads(Path("mlruns/studies", study, "study.json").read_text())
    endings = last_endings(after)
    assert sorted(endings) == list(range(settings["trials"]))
    assert set(endings.values()) <= {"finished", "stopped", "failed"}
    runs = runs_with({"study": study})
    assert len(runs) == 1 + settings["trials"]
    assert known <= {run.info.run_id for run in runs}
    assert {run.info.status for run in runs} <= {"FINISHED", "FAILED"}


def test_a_stopped_retraining_is_resumed_from_its_checkpoint() -> None:
    import torch

    stopped = retraining("finished", trial=1, epochs=6)
    checkpoints = Path("mlruns/studies/finished/retrain-000001-6")
    trained = len(torch.load(checkpoints / "seed-0/state.pt", weights_only=True)["history"])
    assert trained >= 1
    with counted_steps() as steps:
        arguments = ["--study", "finished", "--trial", "1", "--epochs", "6", "--no-against-paper"]
        fer_tune("retrain", *arguments)

    assert len(steps) == STEPS * (6 - trained)
    run = client().get_run(stopped.info.run_id)
    assert run.info.status == "FINISHED"
    (seed,) = client().search_runs(["1"], f"tags.`mlflow.parentRunId` = '{run.info.run_id}'")
    history = client().get_metric_history(seed.info.run_id, "val/macro_f1")
    assert [each.step for each in history] == [1, 2, 3, 4, 5, 6]
    assert not checkpoints.exists()


def test_its_champion_names_the_expressions_of_faces(capfd: pytest.CaptureFixture[str]) -> None:
    fer_tune("predict", f"{FACES}/test", "--csv")
    rows = csv.DictReader(io.StringIO(capfd.readouterr().out))
    seen = sorted(max(float(row["happy"]), float(row["sad"])) for row in rows)
    np.testing.assert_allclose(seen, recorded_probabilities(), atol=TOLERANCE)


def test_its_champion_is_served_by_the_code_that_it_carries(root: Path) -> None:
    named = {"MLFLOW_TRACKING_URI": f"sqlite:///{DATABASE}", "MLFLOW_DISABLE_TELEMETRY": "true"}
    command = [sys.executable, "-c", SERVED]
    done = subprocess.run(command, env=os.environ | named, capture_output=True, check=True)
    code, seen = json.loads(done.stdout.splitlines()[-1])
    assert Path(code).is_relative_to(root / "mlruns" / "artifacts")
    np.testing.assert_allclose(sorted(seen), recorded_probabilities(), atol=TOLERANCE)


@pytest.mark.parametrize("lost", ["its weights", "its predictions"])
def test_a_new_retraining_is_compared_with_its_champion_and_its_baseline(lost: str) -> None:
    (weights,) = Path("mlruns/artifacts/models").rglob("weights.safetensors")
    (weights if lost == "its weights" else predictions_of(trial=1)).unlink()
    with counted_steps() as steps:
        fer_tune("retrain", "--study", "finished", "--trial", "3", "--epochs", "2")

    assert len(steps) == STEPS * 2  # none of the baseline, which was trained like this before
    run = retraining("finished", trial=3, epochs=2)
    assert {"against_paper/p", "against_champion/p"} <= run.data.metrics.keys()
    assert len(client().search_model_versions("name = 'fer_tune'")) == 2


def test_a_new_study_on_the_same_faces_is_compared_with_the_old_champion() -> None:
    space = {"width": 4, "depth": 1, "head": "average", "batch_size": 4}
    lines = ["parameters: {learning_rate: {type: float, low: 1.0e-4, high: 0.1}}"]
    lines += [f"fixed: {json.dumps(space)}", "first_trials: [{learning_rate: 0.03}]"]
    Path("new.yaml").write_text("\n".join(lines))
    new = ["--data", FACES, "--space", "new.yaml", "--study", "new", "--trials", "2"]
    fer_tune("search", *new, "--epochs", "1", *ONE_CORE)
    fer_tune("retrain", "--study", "new", "--trial", "1", "--no-against-paper")

    run = retraining("new", trial=1, epochs=1)
    assert "against_champion/p" in run.data.metrics


def test_a_new_study_learns_from_its_trials(capfd: pytest.CaptureFixture[str]) -> None:
    shutil.copy(next(Path("mlruns/artifacts").rglob("space.yaml")), "space.yaml")
    new = ["--data", FACES, "--space", "space.yaml", "--epochs", "3"]
    fer_tune("search", *new, "--warm-start", "finished", "--dry-run")
    # Not from the baseline, which is outside the space, and not from the trial that failed.
    assert "3 of 5 trials" in capfd.readouterr().out


def test_its_report_says_the_same_with_and_without_the_studys_folder() -> None:
    fer_tune("report", "--study", "finished", "--output", "whole.html")
    shutil.rmtree("mlruns/studies/finished")
    fer_tune("report", "--study", "finished", "--output", "recorded.html")
    whole, recorded = (Path(f"{name}.html").read_text() for name in ("whole", "recorded"))
    statuses = re.findall(r"Trials: 5 \([^)]*\)", whole)
    assert statuses == re.findall(r"Trials: 5 \([^)]*\)", recorded)
    assert statuses[0] == "Trials: 5 (3 completed, 1 pruned, 1 failed)"
