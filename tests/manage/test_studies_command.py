import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from fer_tune.common.disk_or_bucket import BucketDirectory
from fer_tune.common.errors import UserError
from fer_tune.common.lock import LOCK, hold_lock
from fer_tune.manage import __main__ as studies
from fer_tune.manage import change_study
from fer_tune.predict import __main__ as predict
from fer_tune.report import __main__ as report
from fer_tune.retrain import __main__ as retrain
from fer_tune.search import __main__ as search
from fer_tune.study.records.settings import read_settings
from fer_tune.study.records.study_storage import open_storage
from fer_tune.tracking import tags
from fer_tune.tracking.list_studies import list_studies
from fer_tune.tracking.queries import find_study, list_trials
from fer_tune.tracking.store import open_store
from tests.small_study import NAME, FinishedStudy

RETRAIN = ["--trial", "1", "--epochs", "1", "--no-against-paper"]


@pytest.fixture
def folder(small_study: FinishedStudy, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of the small study and its store, as the working folder."""
    assert small_study.name == NAME
    shutil.copytree(small_study.folder / "mlruns", tmp_path / "mlruns")
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("FER_TUNE_DATA", raising=False)
    return tmp_path


@pytest.fixture
def renamed(folder: Path, capfd: pytest.CaptureFixture[str]) -> str:
    studies.main(["rename", NAME, "demo-new", "--yes"])
    assert not (folder / "mlruns/studies" / NAME).exists()
    assert "is now called demo-new" in capfd.readouterr().out
    return "demo-new"


def _answer(monkeypatch: pytest.MonkeyPatch, answer: str) -> None:
    monkeypatch.setattr("builtins.input", lambda _: answer)


def test_the_table_shows_every_study_with_its_trials_and_its_folder(
    folder: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    studies.main([])
    line = next(row for row in capfd.readouterr().out.splitlines() if row.startswith(NAME))
    assert "2 completed" in line
    assert "demo faces" in line
    assert line.endswith("mlruns/studies")
    shutil.move(folder / "mlruns/studies", folder / "elsewhere")
    studies.main(["--json", "--storage", "elsewhere"])
    listed = json.loads(capfd.readouterr().out)
    assert listed["not_in_mlflow"] == []
    (study,) = [each for each in listed["studies"] if each["name"] == NAME]
    assert (study["trials"], study["storage"]) == ({"completed": 2}, "elsewhere")
    assert 0 < study["score"] < 1


def test_a_study_that_mlflow_lacks_or_has_deleted_is_not_hidden(
    folder: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    store = open_store()
    run_id = find_study(store, NAME).run_id
    store.client.delete_run(run_id)
    (folder / "mlruns/studies/lost").mkdir()
    (folder / "mlruns/studies/lost/study.json").write_text("{}")
    studies.main([])
    output = capfd.readouterr().out
    assert "deleted in MLflow" in output
    assert f"mlflow runs restore --run-id {run_id}" in output
    assert "Not in sqlite:" in output
    assert ": lost. To record" in output
    with pytest.raises(UserError, match="its run was deleted in MLflow"):
        studies.main(["rename", NAME, "demo-new", "--yes"])
    with pytest.raises(UserError, match=r"study never is not in .* does not have it either"):
        studies.main(["delete", "never", "--yes"])


def test_a_deleted_study_is_gone_from_mlflow_and_from_the_folder(
    folder: Path, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    retrain.main(["--study", NAME, *RETRAIN])
    store = open_store()
    ids = [trial.run_id for trial in list_trials(store, find_study(store, NAME))]
    _answer(monkeypatch, "n")
    studies.main(["delete", NAME])
    shown = capfd.readouterr().out
    assert f"all files in mlruns/studies/{NAME}" in shown
    assert "These registered models stay, with their runs: fer_tune/" in shown
    assert "Nothing was changed." in shown
    assert (folder / "mlruns/studies" / NAME / "study.json").exists()

    _answer(monkeypatch, "y")
    studies.main(["delete", NAME])
    assert not (folder / "mlruns/studies" / NAME).exists()
    assert not any((folder / "mlruns/artifacts" / run_id).exists() for run_id in ids)
    assert NAME not in {study.name for study in list_studies(store)}
    with pytest.raises(UserError, match=f"study {NAME} is not in"):
        find_study(store, NAME)
    predict.main([str(_draw_face(folder)), "--model", "models:/fer_tune@champion"])
    # The name is free again.
    search.main(["--study", NAME, "--space", "smoke", "--dry-run"])


def test_evaluations_of_models_that_are_deleted_are_announced_and_deleted(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    assert folder == Path.cwd()
    store = open_store()
    client, (trial, *_) = store.client, list_trials(store, find_study(store, NAME))
    seed = client.create_run(store.experiment_id, tags={tags.RETRAINED_RUN: trial.run_id})
    marks = {tags.PARENT: seed.info.run_id, tags.EVALUATED_MODEL: "models:/m-0"}
    evaluation = client.create_run(store.experiment_id, tags=marks)
    _answer(monkeypatch, "y")
    studies.main(["delete", NAME])
    assert "  1 evaluation of models that are deleted\n" in capfd.readouterr().out
    assert client.get_run(evaluation.info.run_id).info.lifecycle_stage == "deleted"


def _draw_face(folder: Path) -> Path:
    from PIL import Image

    Image.new("L", (48, 48), 128).save(folder / "face.png")
    return folder / "face.png"


@pytest.mark.parametrize("step", ["delete_runs", "delete_study_files", "delete_parent_runs"])
def test_an_interrupted_deletion_can_be_given_again(
    folder: Path, step: str, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    def interrupt(*_: Any) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(change_study, step, interrupt)
        with pytest.raises(KeyboardInterrupt):
            studies.main(["delete", NAME, "--yes"])
    assert "The same command deletes the rest" in capfd.readouterr().out
    studies.main(["delete", NAME, "--yes"])
    assert not (folder / "mlruns/studies" / NAME).exists()
    assert NAME not in {study.name for study in list_studies(open_store())}


@pytest.mark.parametrize("arguments", [["delete", NAME], ["rename", NAME, "demo-new"]])
def test_a_running_study_is_not_changed(folder: Path, arguments: list[str]) -> None:
    with (
        hold_lock(folder / "mlruns/studies" / NAME / LOCK, "a test"),
        pytest.raises(UserError, match=f"study {NAME} is running already"),
    ):
        studies.main([*arguments, "--yes"])
    store = open_store()
    store.client.update_run(find_study(store, NAME).run_id, status="RUNNING")
    shutil.move(folder / "mlruns/studies", folder / "on-another-machine")
    with pytest.raises(UserError, match="shows it as running, perhaps on another machine"):
        studies.main([*arguments, "--yes"])
    assert len(list_trials(store, find_study(store, NAME))) == 2


def test_nobody_to_ask_is_an_error_and_changes_nothing(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def end_of_file(_: str) -> str:
        raise EOFError

    monkeypatch.setattr("builtins.input", end_of_file)
    with pytest.raises(UserError, match="add --yes"):
        studies.main(["delete", NAME])
    assert (folder / "mlruns/studies" / NAME / "study.json").exists()


@pytest.mark.parametrize(
    ("new", "message"),
    [(NAME, "is already in"), ("faces", "begins with demo"), ("demo/../x", "use letters")],
)
def test_a_name_that_cannot_be_given_is_one_line(folder: Path, new: str, message: str) -> None:
    with pytest.raises(UserError, match=message) as error:
        studies.main(["rename", NAME, new, "--yes"])
    assert "\n" not in str(error.value)
    assert (folder / "mlruns/studies" / NAME / "study.json").exists()


@pytest.mark.parametrize("step", ["rename_study_files", "rename_study_runs"])
def test_an_interrupted_rename_can_be_given_again(
    folder: Path, step: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupt(*_: Any) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(change_study, step, interrupt)
        with pytest.raises(KeyboardInterrupt):
            studies.main(["rename", NAME, "demo-new", "--yes"])
    studies.main(["rename", NAME, "demo-new", "--yes"])
    assert (folder / "mlruns/studies/demo-new/study.json").exists()
    names = {study.name for study in list_studies(open_store())}
    assert "demo-new" in names
    assert NAME not in names


def test_a_renamed_study_is_resumed(renamed: str, capfd: pytest.CaptureFixture[str]) -> None:
    search.main(["--resume", renamed, "--trials", "3"])
    assert "3 completed" in capfd.readouterr().out
    store = open_store()
    assert len(list_trials(store, find_study(store, renamed))) == 3


def test_a_renamed_study_is_retrained(renamed: str, capfd: pytest.CaptureFixture[str]) -> None:
    retrain.main(["--study", renamed, *RETRAIN])
    assert f"Training trial 001 of study {renamed}" in capfd.readouterr().out


def test_a_renamed_study_is_reported(
    renamed: str, folder: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    report.main(["--study", renamed])
    assert f"Report: mlruns/studies/{renamed}/report.html" in capfd.readouterr().out
    page = (folder / f"mlruns/studies/{renamed}/report.html").read_text()
    assert renamed in page


def test_a_model_of_a_renamed_study_predicts(folder: Path) -> None:
    retrain.main(["--study", NAME, *RETRAIN])
    studies.main(["rename", NAME, "demo-new", "--yes"])
    client = open_store().client
    version = client.get_model_version_by_alias("fer_tune", "champion")
    versions = client.search_model_versions("name = 'fer_tune'")
    assert {each.tags["fer_tune.retrained_study"] for each in versions} == {"demo-new"}
    face = str(_draw_face(folder))
    predict.main([face, "--model", f"models:/fer_tune/{version.version}"])
    retrained = client.get_run(str(version.run_id))
    assert retrained.info.run_name == "retrained demo-new 001 seed 0"


def test_a_renamed_study_warms_up_another(renamed: str, capfd: pytest.CaptureFixture[str]) -> None:
    new = ["--space", "smoke", "--train-faces", "128", "--epochs", "2", "--dry-run"]
    search.main([*new, "--warm-start", renamed])
    # The baseline is wider than all other trials of this space.
    line = f"Starting with 1 of 2 trials of {renamed} (left out: 1 outside the space in "
    assert line in capfd.readouterr().out


def _move_to_bucket(address: str) -> None:
    """Move the small study into a bucket, as if it had begun there; a second search takes long."""
    storage, store = open_storage(address), open_store()
    storage.local_dir.mkdir(parents=True)
    shutil.move(f"mlruns/studies/{NAME}", storage.local_dir)
    storage.write_settings(read_settings(storage.local_dir, NAME)[1])
    storage.open_bucket_logs(NAME)  # uploads the events
    run_id = find_study(store, NAME).run_id
    store.client.set_tag(run_id, tags.STORAGE, address)


def test_a_study_in_a_bucket_is_listed_renamed_used_and_deleted(
    folder: Path, bucket: str, capfd: pytest.CaptureFixture[str]
) -> None:
    address, new = f"{bucket}/{folder.name}", "demo-new"
    storage = ["--storage", address]
    _move_to_bucket(address)
    studies.main(["rename", NAME, new, "--yes"])
    assert f"  {address}/{NAME}\n" in capfd.readouterr().out
    studies.main([])
    (line,) = (row for row in capfd.readouterr().out.splitlines() if row.startswith(new))
    assert "2 completed" in line
    assert line.endswith(address)

    shutil.rmtree("mlruns/buckets")  # as on another machine
    search.main(["--resume", new, "--trials", "3", *storage])
    assert "3 completed" in capfd.readouterr().out
    report.main(["--study", new, *storage, "--output", "page.html"])
    assert f"Study {new}" in Path("page.html").read_text()
    retrain.main(["--study", new, *RETRAIN, *storage])
    assert f"Training trial 001 of study {new}" in capfd.readouterr().out

    studies.main(["delete", new, "--yes"])
    assert f"all files in {address}/{new}" in capfd.readouterr().out
    assert BucketDirectory(address).list_names() == []
    assert {NAME, new}.isdisjoint(study.name for study in list_studies(open_store()))


@pytest.mark.parametrize("typed", [["delete"], ["rename", "old"], ["list", "x"], ["faces"]])
def test_a_wrong_command_line_is_one_line(
    typed: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit):
        studies.main(typed)
    assert len(capsys.readouterr().err.splitlines()) == 1
