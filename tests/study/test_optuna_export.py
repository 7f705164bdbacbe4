import json
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import Any

import optuna
import pytest
from optuna.storages import JournalStorage
from optuna.storages.journal import JournalFileBackend
from optuna.trial import TrialState

from fer_tune.study.optuna_study import EXPORT_FILE, export_optuna_study
from fer_tune.study.records.settings import StudySettings
from fer_tune.study.records.trial_record import TrialRecord
from fer_tune.trial_config import TrialConfig
from tests.machine import free_port


@pytest.fixture
def trials(record: Callable[..., TrialRecord]) -> list[TrialRecord]:
    """A completed trial, a pruned, a failed and an interrupted one."""
    return [
        record(0, 0.1, 0.6, 0.3, ending="finished"),
        record(1, 0.2, ending="stopped"),
        record(2, ending="failed"),
        record(3, 0.4, ending="interrupted"),
    ]


def test_optuna_reads_the_trials_that_have_ended(
    tmp_path: Path, settings: StudySettings, trials: list[TrialRecord]
) -> None:
    for _ in range(2):  # a resumed study is written anew
        assert export_optuna_study(tmp_path, settings, trials) is None
    storage = JournalStorage(JournalFileBackend(str(tmp_path / EXPORT_FILE)))
    study = optuna.load_study(study_name="tested", storage=storage)
    assert study.user_attrs == {"metric": "val/macro_f1"}
    states = [(trial.state, trial.user_attrs["trial"]) for trial in study.trials]
    assert states == [(TrialState.COMPLETE, 0), (TrialState.PRUNED, 1), (TrialState.FAIL, 2)]
    assert study.best_value == 0.6
    assert study.trials[0].intermediate_values == {1: 0.1, 2: 0.6, 3: 0.3}
    assert [path.name for path in tmp_path.iterdir()] == [EXPORT_FILE]


def test_optuna_reads_only_the_parameters_that_a_trial_has(
    tmp_path: Path, conditional: StudySettings, record: Callable[..., TrialRecord]
) -> None:
    mixed = record(1, 0.2, ending="stopped")
    mixed.config = TrialConfig(schedule="cosine", mixup=0.2)
    assert (
        export_optuna_study(tmp_path, conditional, [record(0, 0.1, ending="finished"), mixed])
        is None
    )
    storage = JournalStorage(JournalFileBackend(str(tmp_path / EXPORT_FILE)))
    trials = optuna.load_study(study_name="tested", storage=storage).trials
    assert [list(trial.params) for trial in trials] == [
        ["learning_rate", "schedule"],
        ["learning_rate", "schedule", "mixup"],
    ]


def test_a_file_that_cannot_be_written_is_reported_in_one_line(
    tmp_path: Path, settings: StudySettings, trials: list[TrialRecord]
) -> None:
    problem = export_optuna_study(tmp_path / "gone", settings, trials)
    assert problem is not None
    assert problem.endswith("cannot be written: No such file or directory")


@pytest.mark.slow
def test_optuna_dashboard_opens_it(
    tmp_path: Path, settings: StudySettings, trials: list[TrialRecord]
) -> None:
    export_optuna_study(tmp_path, settings, trials)
    program, port = Path(sys.executable).with_name("optuna-dashboard"), free_port()
    dashboard = subprocess.Popen([program, str(tmp_path / EXPORT_FILE), "--port", str(port)])
    try:
        answer = _ask(f"http://127.0.0.1:{port}/api/studies")
    finally:
        dashboard.terminate()
        dashboard.wait()
    assert [each["study_name"] for each in answer["study_summaries"]] == ["tested"]


def _ask(address: str) -> Any:
    for _ in range(120):
        try:
            with urllib.request.urlopen(address, timeout=5) as answer:
                return json.load(answer)
        except OSError:
            time.sleep(0.5)
    pytest.fail("the dashboard does not answer")
