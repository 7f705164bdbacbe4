"""Ablations of a small study on demo faces, from the command line to MLflow."""

import csv
import io
import os
import shutil
import signal
import subprocess
import sys
from contextlib import closing, redirect_stdout
from pathlib import Path
from typing import Any

import pytest

from fer_tune.ablate import __main__ as ablate
from fer_tune.common.errors import UserError
from fer_tune.report import __main__ as report
from fer_tune.search import __main__ as search
from fer_tune.study.records.event_log import EventLog, read_events, read_trials
from fer_tune.study.records.settings import read_settings
from fer_tune.study.records.study_storage import StudyStorage
from fer_tune.study.search_space.load_space import parse_space
from fer_tune.tracking.queries import find_study, list_trial_runs
from fer_tune.tracking.store import open_store
from fer_tune.trial_config import TrialConfig
from tests.small_study import NAME
from tests.waiting import wait_until

SPACE = """
parameters:
  depth: {type: int, low: 3, high: 4}
  dropout: {type: float, low: 0.0, high: 0.5}
  mixup: {type: float, low: 0.0, high: 0.4}
  weight_decay: {type: float, low: 0.0, high: 0.1}
fixed: {width: 4, hidden_1: 16, hidden_2: 16}
"""
FIXED: dict[str, Any] = {"width": 4, "hidden_1": 16, "hidden_2": 16}
CHANGED = TrialConfig(depth=4, dropout=0.1, mixup=0.2, weight_decay=0.1, **FIXED)
SOURCE, ABLATION = "demo-four", "demo-taken-apart"
STUDIES = Path("mlruns/studies")


@pytest.fixture(scope="module", autouse=True)
def _here(workplace: Path) -> None:
    """Work in the folder of the small study, which gets one whose trial has four changes.

    Its results are those of the small study, so that nothing has to be trained.
    """
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(workplace)
        patch.delenv("FER_TUNE_DATA", raising=False)
        folder, settings = read_settings(STUDIES, NAME)
        update = {"name": SOURCE, "space": parse_space(SPACE, "four.yaml")}
        StudyStorage(str(STUDIES)).write_settings(settings.model_copy(update=update))
        with closing(EventLog(STUDIES / SOURCE)) as log:
            for event in read_events(folder):
                if event.kind == "started" and event.number == 1:
                    event = event.model_copy(update={"config": CHANGED})
                log.on_event(event)
        search.main(["--resume", SOURCE])


@pytest.fixture(autouse=True)
def _there(workplace: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(workplace)
    monkeypatch.delenv("FER_TUNE_DATA", raising=False)


@pytest.fixture(scope="module")
def stopped(workplace: Path) -> str:
    """What an ablation prints that is stopped by Ctrl-C after some trials."""
    options = ["--study", SOURCE, "--trial", "1", "--seeds", "1", "--epochs", "1"]
    process = subprocess.Popen(
        [sys.executable, "-m", "fer_tune.ablate", *options, "--name", ABLATION],
        stdout=subprocess.PIPE,
        text=True,
        cwd=workplace,
        env={key: value for key, value in os.environ.items() if key != "FER_TUNE_DATA"},
        start_new_session=True,
    )

    def has_ended_trials() -> bool:
        assert process.poll() is None, "the ablation ended before it could be stopped"
        return sum(len(each.history) for each in read_trials(workplace / STUDIES / ABLATION)) >= 3

    wait_until(has_ended_trials, "the moment to stop the ablation")
    process.send_signal(signal.SIGINT)
    shown, _ = process.communicate(timeout=60)
    assert process.returncode == 130
    return shown


@pytest.fixture(scope="module")
def resumed(stopped: str, workplace: Path) -> str:
    """What the ablation prints after it was resumed, with a second seed."""
    assert stopped
    printed = io.StringIO()
    with pytest.MonkeyPatch.context() as patch, redirect_stdout(printed):
        patch.chdir(workplace)
        patch.delenv("FER_TUNE_DATA", raising=False)
        ablate.main(["--resume", ABLATION, "--seeds", "2"])
    return printed.getvalue()


def test_a_stopped_ablation_prints_its_resume_command(stopped: str) -> None:
    assert f"-m fer_tune.ablate --resume {ABLATION}" in stopped
    assert "fer_tune.retrain" not in stopped


def test_a_resumed_ablation_trains_every_configuration_once_with_each_seed(resumed: str) -> None:
    folder, settings = read_settings(STUDIES, ABLATION)
    trials = read_trials(folder)
    assert "Trials: 22 (22 completed)" in resumed
    assert [trial.number for trial in trials] == list(range(22))
    configs = [trial.config for trial in trials]
    assert len(set(configs)) == 11
    assert configs[:11] == configs[11:]
    assert [[each.epoch for each in trial.history] for trial in trials] == [[1]] * 22
    assert [trial.name for trial in trials[:3]] == [
        "000 baseline",
        "001 all changes",
        "002 without network shape",
    ]
    assert trials[10].name.startswith("010 path 2: + ")
    assert trials[11].name == "011 baseline, seed 2"
    started = [event for event in read_events(folder) if event.kind == "started"]
    assert {event.seed_number for event in started if event.number < 11} == {1_000_000}
    assert {event.seed_number for event in started if event.number >= 11} == {1_000_001}
    source = read_settings(STUDIES, SOURCE)[1]
    assert settings.train_faces == source.train_faces
    assert (settings.faces_hash, settings.seed) == (source.faces_hash, source.seed)


def test_an_ablation_is_recorded_in_mlflow(resumed: str) -> None:
    assert resumed
    store = open_store()
    study = find_study(store, ABLATION)
    runs = list_trial_runs(store, study.run_id)
    assert len(runs) == 22
    assert {run.info.status for run in runs} == {"FINISHED"}
    assert "--seed=0:1000000" in runs[0].data.tags["mlflow.note.content"]
    table = store.find_text(study.run_id, "ablation.csv")
    assert table
    rows = list(csv.DictReader(io.StringIO(table)))
    assert len(rows) == 4 * 3 * 2
    assert {row["change"] for row in rows} == {
        "network shape",
        "dropout",
        "mixup",
        "weight decay",
    }


def test_the_report_has_the_effects_also_without_the_event_log(
    resumed: str, tmp_path: Path
) -> None:
    assert "on the path" in resumed
    for storage in ([], ["--storage", str(tmp_path)]):
        page = tmp_path / "page.html"
        report.main(["--study", ABLATION, "--output", str(page), *storage])
        text = page.read_text()
        assert "One change at a time" in text
        assert "+ network shape" in text
        assert "Improvement over the baseline" not in text


def test_a_done_ablation_shows_its_results_again(
    resumed: str, capfd: pytest.CaptureFixture[str]
) -> None:
    ablate.main(["--resume", ABLATION])
    shown = capfd.readouterr().out
    tables = (text[text.index("macro F1  ") : text.index("Trials: ")] for text in (shown, resumed))
    assert len(set(tables)) == 1


def test_a_dry_run_shows_changes_trainings_and_time_and_creates_nothing(
    capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("fer_tune.ablate.show_plan._SECONDS", 0)
    before = sorted(STUDIES.iterdir())
    ablate.main(["--study", SOURCE, "--trial", "1", "--seeds", "3", "--dry-run"])
    shown = capfd.readouterr().out
    assert "network shape: depth 3 to 4, width 32 to 4, hidden_1 512 to 16" in shown
    assert "33 trainings: 11 configurations with 3 seeds, 2 epochs each." in shown
    assert "of training, as measured on this machine" in shown
    assert sorted(STUDIES.iterdir()) == before


@pytest.mark.parametrize(
    ("options", "problem"),
    [
        (["--study", "nothing"], "study nothing is not in"),
        (["--study", SOURCE, "--trial", "0"], "trial 0 is the baseline, so nothing changes"),
        (["--study", SOURCE, "--trial", "9"], f"--trial 9: study {SOURCE} has trials 0 to 1"),
        (["--study", ABLATION], f"study {ABLATION} is an ablation itself"),
        (["--study", SOURCE, "--trial", "1", "--name", NAME], f"study {NAME} is in"),
        ([], "--study is missing"),
        (["--resume", SOURCE], f"--resume {SOURCE}: this study is no ablation"),
        (["--resume", ABLATION, "--seeds", "1"], "--seeds 1: the ablation has 2 already"),
        (["--resume", ABLATION, "--trial", "0"], "--trial 0: the study has 1"),
        (["--resume", ABLATION, "--study", NAME], f"--study {NAME}: the study has {SOURCE}"),
        (["--resume", ABLATION, "--epochs", "3"], "--epochs 3: the study has 1"),
    ],
)
def test_a_mistake_is_named_in_one_line(resumed: str, options: list[str], problem: str) -> None:
    assert resumed
    before = sorted(STUDIES.iterdir())
    with pytest.raises(UserError) as error:
        ablate.main([*options, "--dry-run"])
    assert problem in str(error.value)
    assert "\n" not in str(error.value)
    assert sorted(STUDIES.iterdir()) == before


def test_a_search_does_not_add_trials_to_an_ablation(resumed: str) -> None:
    assert resumed
    with pytest.raises(UserError, match="an ablation has as many as its changes need"):
        search.main(["--resume", ABLATION, "--trials", "20"])


def test_a_study_without_a_result_is_refused(tmp_path: Path) -> None:
    folder = shutil.copytree(STUDIES / SOURCE, tmp_path / SOURCE)
    log = folder / "journal.jsonl"
    lines = log.read_text().splitlines(keepends=True)
    log.write_text("".join(line for line in lines if '"started"' in line))
    with pytest.raises(UserError, match=f"study {SOURCE} has no trial with a result yet"):
        ablate.main(["--study", SOURCE, "--storage", str(tmp_path)])
    with pytest.raises(UserError, match=f"study {SOURCE} has no trial with a result yet"):
        ablate.main(["--study", SOURCE, "--storage", str(tmp_path), "--trial", "1"])
