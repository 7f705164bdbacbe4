import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from fer_tune.common.errors import UserError
from fer_tune.tracking.mlflow_command import format_mlflow_command
from fer_tune.tracking.queries import find_study
from fer_tune.tracking.recorder import EventRecorder
from fer_tune.tracking.store import Store, open_store
from fer_tune.tracking.study_and_retrain_info import StudyInfo


def _run_told_command(message: str) -> None:
    """Run the shell command at the end of a message, in the folder where it was printed."""
    found = re.search(r"MLFLOW_TRACKING_URI=.*", message)
    assert found
    path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    subprocess.run(found[0], shell=True, check=True, env=os.environ | {"PATH": path})


def test_what_was_deleted_in_mlflow_is_restored_by_the_command_that_is_told(
    store: Store,
    describe: Callable[..., StudyInfo],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    folder = tmp_path / "my studies"
    folder.mkdir()
    shutil.copyfile(store.uri.removeprefix("sqlite:///"), folder / "mlflow.db")
    own = open_store(str(folder))
    run_id = EventRecorder(own, describe(), resume=False).run_id
    own.client.delete_run(run_id)
    with pytest.raises(UserError, match="its run was deleted in MLflow") as deleted_run:
        find_study(own, describe().name)
    _run_told_command(str(deleted_run.value))
    assert find_study(own, describe().name).run_id == run_id

    own.client.delete_experiment(own.experiment_id)
    with pytest.raises(UserError, match="experiment fer_tune was deleted") as deleted_experiment:
        open_store(str(folder), create=False)
    _run_told_command(str(deleted_experiment.value))
    assert open_store(str(folder), create=False) == own
    assert [path.name for path in tmp_path.iterdir()] == [folder.name]


def test_a_command_shows_no_password_and_says_so() -> None:
    command = format_mlflow_command("postgresql://me:secret@host/db", "runs", "restore")
    assert "secret" not in command
    assert command.endswith("(write your user and password for ***)")
