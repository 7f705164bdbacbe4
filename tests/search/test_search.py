"""Tiny studies, from the command line to MLflow."""

import json
import os
import pty
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from fer_tune.common.errors import UserError
from fer_tune.data.faces import EMOTIONS
from fer_tune.search import __main__ as search
from fer_tune.study.records.event_log import read_events, read_trials
from fer_tune.tracking.queries import find_study, list_trial_runs, list_trials
from fer_tune.tracking.store import open_store
from tests.small_study import ONE_TRIAL, SMALL, TWO_TRIALS, FinishedStudy
from tests.waiting import wait_until

if TYPE_CHECKING:
    from mlflow.entities import Run

# The second trial cannot learn, so that ASHA prunes it at its first rung.
HOPELESS = """
parameters:
  learning_rate: {type: float, low: 1.0e-9, high: 1.0e-3, log: true}
fixed: {width: 4, hidden_1: 16, hidden_2: 16}
first_trials: [{learning_rate: 1.0e-9}]
"""


@pytest.fixture(autouse=True)
def _here(workplace: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(workplace)
    monkeypatch.delenv("FER_TUNE_DATA", raising=False)


def _get_runs(name: str) -> tuple["Run", list["Run"]]:
    store = open_store()
    parent = store.client.get_run(find_study(store, name).run_id)
    runs = list_trial_runs(store, parent.info.run_id)
    return parent, sorted(runs, key=lambda run: int(run.data.tags["fer_tune.trial"]))


def _get_steps(run: "Run", metric: str) -> list[int]:
    history = open_store().client.get_metric_history(run.info.run_id, metric)
    return [each.step for each in history]


def _copy_study(name: str, folder: Path) -> None:
    """Copy a study of the working folder to `folder`, whose name is the copy's."""
    shutil.copytree(Path("mlruns/studies", name), folder)
    settings = folder / "study.json"
    settings.write_text(settings.read_text().replace(name, folder.name))


def test_a_study_is_recorded_in_mlflow(small_study: FinishedStudy) -> None:
    parent, (trial, _) = _get_runs(small_study.name)
    assert parent.info.status == trial.info.status == "FINISHED"
    assert parent.data.tags["fer_tune.data"] == "demo faces"
    assert "DEMO FACES" in parent.data.tags["mlflow.note.content"]
    assert trial.data.tags["mlflow.parentRunId"] == parent.info.run_id
    assert trial.data.tags["fer_tune.ended"] == "completed"
    assert trial.info.run_name == "000 baseline"
    assert trial.data.params["learning_rate"] == "0.0001"
    expected = {"train/accuracy", "train/loss", "val/accuracy", "val/loss", "val/macro_f1", "gap"}
    expected |= {"val/polarity_accuracy", "best/macro_f1", "best/gap"}
    for measure in ("precision", "recall", "f1"):
        expected |= {f"val_{measure}/{name}" for name in EMOTIONS}
    assert expected <= trial.data.metrics.keys()
    assert _get_steps(trial, "val/macro_f1") == [1, 2]
    artifacts = open_store().client.list_artifacts(trial.info.run_id)
    assert {each.path for each in artifacts} >= {"confusion.png", "confusion.csv"}


def test_asha_prunes_the_worse_of_two_trials(workplace: Path) -> None:
    (workplace / "hopeless.yaml").write_text(HOPELESS)
    search.main(
        [
            *("--space", "hopeless.yaml", "--train-faces", "300", "--metric", "val/loss"),
            *("--trials", "2", "--epochs", "4", "--grace", "2", "--study", "demo-stop"),
            *("--concurrent", "1", "--cpus-per-trial", "1"),
        ]
    )
    parent, (baseline, hopeless) = _get_runs("demo-stop")
    assert (baseline.data.tags["fer_tune.ended"], _get_steps(baseline, "gap")) == (
        "completed",
        [1, 2, 3, 4],
    )
    assert (hopeless.data.tags["fer_tune.ended"], _get_steps(hopeless, "gap")) == ("pruned", [1, 2])
    assert hopeless.info.status == "FINISHED"
    # Fixed parameters apply to every trial but the baseline.
    assert (baseline.data.params["width"], hopeless.data.params["width"]) == ("32", "4")
    assert "2 saved by stopping early" in parent.data.tags["mlflow.note.content"]


def test_a_study_killed_and_resumed_keeps_its_runs_and_loses_no_epoch(workplace: Path) -> None:
    command = [sys.executable, "-m", "fer_tune.search", *SMALL, "--study", "demo-killed"]
    process = subprocess.Popen(
        [*command, "--trials", "2", "--epochs", "6", "--grace", "6"],
        stdout=subprocess.DEVNULL,
        text=True,
        start_new_session=True,
    )
    folder = workplace / "mlruns/studies/demo-killed"
    _wait_for(lambda: sum(len(each.history) for each in read_trials(folder)) >= 3, process)
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    before = {run.info.run_id for run in _get_runs("demo-killed")[1]}

    search.main(["--resume", "demo-killed", "--trials", "3"])
    parent, runs = _get_runs("demo-killed")
    assert before <= {run.info.run_id for run in runs}
    assert len(runs) == 3
    assert {run.info.status for run in (parent, *runs)} == {"FINISHED"}
    for run in runs:
        assert _get_steps(run, "val/macro_f1") == [1, 2, 3, 4, 5, 6]
    for trial in read_trials(folder):
        assert [each.epoch for each in trial.history] == [1, 2, 3, 4, 5, 6]
    started = [event.number for event in read_events(folder) if event.kind == "started"]
    assert started.count(2) == 1


def _wait_for(condition: Callable[[], bool], process: subprocess.Popen[str]) -> None:
    def check_running() -> bool:
        assert process.poll() is None, "the study ended before it could be killed"
        return condition()

    wait_until(check_running, "the moment to kill the study")


@pytest.mark.parametrize(("sign", "epochs"), [(signal.SIGINT, 1), (signal.SIGTERM, 0)])
def test_a_stopped_study_prints_its_resume_command_and_loses_nothing(
    workplace: Path, sign: signal.Signals, epochs: int
) -> None:
    name = f"demo-{sign.name}"
    options = ["--trials", "2", "--epochs", "90", "--grace", "90", "--study", name]
    process = subprocess.Popen(
        [sys.executable, "-m", "fer_tune.search", *SMALL, *options],
        stdout=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    folder = workplace / "mlruns/studies" / name
    _wait_for(lambda: any(len(each.history) >= epochs for each in read_trials(folder)), process)
    process.send_signal(sign)
    shown, _ = process.communicate(timeout=60)
    assert process.returncode == 130
    assert f"-m fer_tune.search --resume {name}" in shown
    has_result = any(each.history for each in read_trials(folder))
    assert ("To train the best trial again" in shown) == has_result
    assert {trial.ending for trial in read_trials(folder)} == {"interrupted"}
    parent, runs = _get_runs(name)
    assert {run.info.status for run in (parent, *runs)} == {"KILLED"}


def test_a_study_whose_terminal_is_closed_is_stopped_and_loses_nothing(workplace: Path) -> None:
    name = "demo-closed"
    options = ["--trials", "1", "--epochs", "90", "--grace", "90", "--study", name]
    terminal, inside = pty.openpty()
    os.set_blocking(terminal, False)
    # The system sends SIGHUP to all processes in the terminal, also to those of Ray. The tests may
    # run under nohup, which ignores it.
    terminal_options = ["env", "--default-signal=HUP", "setsid", "--ctty"]
    process = subprocess.Popen(
        [*terminal_options, sys.executable, "-m", "fer_tune.search", *SMALL, *options],
        stdin=inside,
        stdout=inside,
        stderr=inside,
        text=True,
    )
    os.close(inside)
    folder = workplace / "mlruns/studies" / name

    def has_epoch() -> bool:
        with suppress(BlockingIOError):
            os.read(terminal, 1 << 16)  # otherwise the study would wait for the terminal
        return any(each.history for each in read_trials(folder))

    _wait_for(has_epoch, process)
    os.close(terminal)
    assert process.wait(60) == 130
    assert {trial.ending for trial in read_trials(folder)} == {"interrupted"}
    parent, runs = _get_runs(name)
    assert {run.info.status for run in (parent, *runs)} == {"KILLED"}


def test_a_done_study_runs_nothing_when_resumed_and_prints_its_results(
    small_study: FinishedStudy, capfd: pytest.CaptureFixture[str]
) -> None:
    before = [run.info.run_id for run in _get_runs(small_study.name)[1]]
    search.main(["--resume", small_study.name])
    assert [run.info.run_id for run in _get_runs(small_study.name)[1]] == before
    shown = capfd.readouterr().out
    assert "DEMO FACES" in shown
    assert "Trials: 2 (2 completed)" in shown
    assert "mlflow ui --backend-store-uri" in shown
    assert f"-m fer_tune.retrain --study {small_study.name}" in shown


def test_a_done_study_gets_finalists_whose_repeats_are_no_trials(
    small_study: FinishedStudy, workplace: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    folder = workplace / "mlruns/studies/demo-finalists"
    _copy_study(small_study.name, folder)
    search.main(["--resume", folder.name, "--finalists", "1"])
    parent, runs = _get_runs(folder.name)
    assert len(runs) == 2
    repeats = list_trial_runs(open_store(), parent.info.run_id, "fer_tune.repeat")
    (finalist,) = {run.data.tags["fer_tune.repeat_of"] for run in repeats}
    name = runs[int(finalist)].info.run_name
    names = {run.info.run_name for run in repeats}  # they may run at once
    assert (len(repeats), names) == (2, {f"{name}, seed 2", f"{name}, seed 3"})
    assert [run.data.tags["fer_tune.ended"] for run in repeats] == ["completed"] * 2
    scores = {tuple(run.data.metrics[key] for key in ("val/loss", "gap")) for run in repeats}
    assert len(scores) == 2  # two seeds
    shown = capfd.readouterr().out
    assert f"finalist 00{finalist}, seed 3 completed after 2 epochs" in shown
    assert f"Of 1 finalist, the means over the seeds chose trial 00{finalist}" in shown
    assert "Trials: 2 (2 completed). Repeats of finalists: 2. Epochs: 8" in shown
    assert "Finalists</h2>" in (folder / "report.html").read_text("utf-8")


def test_the_report_is_written_before_the_results_are_printed(
    small_study: FinishedStudy, workplace: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    report = workplace / "mlruns/studies" / small_study.name / "report.html"
    report.unlink()

    def fail(*_: object) -> None:
        raise OSError("the disk of the log is full")

    monkeypatch.setattr("fer_tune.terminal.study_summary.show_outcome", fail)
    with pytest.raises(OSError, match="log is full"):
        search.main(["--resume", small_study.name])
    assert report.exists()


def test_the_same_study_gives_the_same_numbers(small_study: FinishedStudy) -> None:
    search.main([*TWO_TRIALS, "--study", "demo-again"])
    store = open_store()
    first, second = (
        [(trial.config, trial.metrics) for trial in list_trials(store, find_study(store, name))]
        for name in (small_study.name, "demo-again")
    )
    assert first == second


def test_a_resumed_study_names_the_store_of_its_runs(
    small_study: FinishedStudy, workplace: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    elsewhere = ["--tracking-uri", f"sqlite:///{workplace}/elsewhere/mlflow.db"]
    _copy_study(small_study.name, workplace / "mlruns/studies/demo-moved")
    for options in (elsewhere, []):
        search.main(["--resume", "demo-moved", *options])
        assert " ".join(["--study demo-moved", *elsewhere]) in capfd.readouterr().out


def test_a_dry_run_shows_space_resources_and_three_sampled_trials(
    capfd: pytest.CaptureFixture[str], workplace: Path
) -> None:
    search.main(["--space", "paper", "--dry-run", "--study", "demo-dry"])
    shown = capfd.readouterr().out
    assert "learning_rate: {type: float, low: 1.0e-05, high: 0.01, log: true}" in shown
    assert "at once, each with" in shown
    assert "happy 722/99/98" in shown  # faces that train, validate and test
    assert len(shown[shown.index("Three sampled") :].strip().splitlines()) == 1 + 3
    assert not (workplace / "mlruns/studies/demo-dry").exists()


def test_a_dry_run_does_not_judge_a_cluster_by_this_machine(
    capfd: pytest.CaptureFixture[str],
) -> None:
    search.main(["--dry-run", "--address", "10.0.0.1:6379", "--gpus-per-trial", "1"])
    assert "Resources: those of the cluster at 10.0.0.1:6379" in capfd.readouterr().out


def test_a_study_says_how_many_trials_of_another_it_starts_with(
    small_study: FinishedStudy, workplace: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    space = workplace / "depth.yaml"
    space.write_text("parameters: {depth: {type: int, low: 1, high: 5}}")
    small = ["--space", str(space), "--train-faces", "128", "--epochs", "2"]
    search.main([*small, "--warm-start", small_study.name, "--dry-run"])
    assert f"Starting with 1 of 2 trials of {small_study.name} " in capfd.readouterr().out
    search.main([*SMALL, "--warm-start", small_study.name, "--dry-run"])
    summary = "Starting with 1 of 2 trials of demo-small (left out: 1 outside the space in "
    assert summary in capfd.readouterr().out


def test_a_study_on_demo_faces_is_named_so(capfd: pytest.CaptureFixture[str]) -> None:
    search.main(["--dry-run", "--study", "mine"])
    assert "Study demo-mine" in capfd.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "problem"),
    [
        (["--data", "nowhere.csv"], "nowhere.csv"),
        (["--space", "nowhere"], "no search space nowhere"),
        (["--space", "x" * 300], "no search space xxx"),
        (["--metric", "val/makro_f1"], "closest: val/macro_f1"),
        (["--gpus-per-trial", "99"], "--gpus-per-trial 99: the largest machine has"),
        (["--cpus-per-trial", "9999"], "--cpus-per-trial 9999: the largest machine has"),
        (["--study", "../up"], "study name"),
        (["--resume", "unknown"], "no study unknown"),
        (["--warm-start", "unknown"], "study unknown is not in|no studies in"),
        (["--tracking-uri", "http://127.0.0.1:9"], "does not answer"),
        (["--tracking-uri", "/proc/nowhere"], "cannot be written"),
        (["--storage", "/proc/nowhere"], "cannot be written"),
        (["--train-faces", "3"], "cannot draw 3 faces"),
        (["--address", "127.0.0.1:9"], "no Ray cluster answers"),
    ],
)
def test_a_mistake_is_reported_in_one_line_and_leaves_nothing_behind(
    arguments: list[str], problem: str, workplace: Path
) -> None:
    name = [] if {"--resume", "--study"} & set(arguments) else ["--study", "demo-mistaken"]
    with pytest.raises(UserError, match=problem) as error:
        search.main([*name, *arguments])
    assert "\n" not in str(error.value)
    assert not (workplace / "mlruns/studies/demo-mistaken").exists()
    with pytest.raises(UserError):
        find_study(open_store(), "demo-mistaken")


def test_a_study_that_does_not_begin_changes_no_folder_of_others(
    tmp_path: Path,
) -> None:
    options = ["--address", "127.0.0.1:9", "--storage", str(tmp_path), "--study"]
    picture, lock = tmp_path / "demo-faces/happy/0.png", tmp_path / "demo-killed/.lock"
    for file in (picture, lock):
        file.parent.mkdir(parents=True)
        file.touch()
    (tmp_path / "demo-empty").mkdir()
    with pytest.raises(UserError, match=r"demo-faces in .* is no study, and happy is in it"):
        search.main([*options, "demo-faces"])
    for name in ("demo-empty", "demo-killed", "demo-new"):
        with pytest.raises(UserError, match="no Ray cluster answers"):
            search.main([*options, name])
    assert picture.exists()
    assert {path.name for path in tmp_path.iterdir()} == {"demo-faces", "demo-empty", "demo-killed"}
    assert not any((tmp_path / "demo-empty").iterdir())


def test_a_name_that_only_mlflow_knows_is_refused_with_advice(
    small_study: FinishedStudy,
    workplace: Path,
    tmp_path: Path,
    capfd: pytest.CaptureFixture[str],
) -> None:
    folder = workplace / "mlruns/studies/demo-away"
    _copy_study(small_study.name, tmp_path / folder.name)
    search.main(["--resume", folder.name, "--storage", str(tmp_path)])
    problem = (
        "study demo-away is already in .* take another --study name, or --resume demo-away with"
    )
    with pytest.raises(UserError, match=problem) as error:
        search.main([*ONE_TRIAL, "--study", "demo-away"])
    assert "\n" not in str(error.value)
    assert not folder.exists()
    capfd.readouterr()
    search.main(["--resume", "demo-away", "--storage", str(tmp_path)])
    assert "Trials: 2 (2 completed)" in capfd.readouterr().out
    # Without its run in MLflow the name is free again.
    open_store().client.delete_run(find_study(open_store(), "demo-away").run_id)
    search.main([*ONE_TRIAL, "--study", "demo-away"])
    assert [_get_steps(run, "gap") for run in _get_runs("demo-away")[1]] == [[1, 2]]


def test_a_copied_study_is_resumed_in_the_copy_alone(
    small_study: FinishedStudy, workplace: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    original, name = workplace / "mlruns", small_study.name
    shutil.copytree(original, tmp_path / "mlruns")
    settings = tmp_path / "mlruns/studies" / name / "study.json"
    assert json.loads(settings.read_text())["tracking_uri"] is None
    before = {path: path.read_bytes() for path in original.rglob("*") if path.is_file()}
    monkeypatch.chdir(tmp_path)
    open_store().client.delete_run(find_study(open_store(), name).run_id)
    search.main(["--resume", name])
    assert {path: path.read_bytes() for path in before} == before
    parent, trials = _get_runs(name)
    assert str(parent.info.artifact_uri).startswith(tmp_path.as_uri())
    assert [_get_steps(run, "gap") for run in trials] == [[1, 2], [1, 2]]
    assert json.loads(settings.read_text())["tracking_uri"] is None


def test_a_study_is_resumed_with_the_options_that_it_began_with(
    small_study: FinishedStudy, capfd: pytest.CaptureFixture[str]
) -> None:
    search.main([*TWO_TRIALS, "--study", small_study.name, "--resume", small_study.name])
    assert "Trials: 2 (2 completed)" in capfd.readouterr().out
    with pytest.raises(UserError, match="--epochs 5: the study has 2; leave out the option"):
        search.main(["--resume", small_study.name, "--epochs", "5"])


@pytest.mark.parametrize("option", ["--trials", "--epochs", "--time-budget", "--gpus-per-trial"])
def test_text_that_is_no_number_is_refused(option: str) -> None:
    for value in ("x", "-1", "nan"):
        with pytest.raises(SystemExit, match="2"):
            search.main([f"{option}={value}"])


def test_real_faces_are_searched(real_faces: Path) -> None:
    arguments = ["--trials", "1", "--epochs", "1", "--study", "real"]
    search.main(["--data", str(real_faces), *SMALL, *arguments])
    parent, (trial,) = _get_runs("real")
    assert parent.data.tags["fer_tune.data"] == real_faces.name
    assert trial.info.status == "FINISHED"
