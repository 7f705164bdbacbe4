from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from fer_tune.common.errors import UserError
from fer_tune.data.demo.demo_splits import draw_demo_splits
from fer_tune.data.faces import EMOTIONS, Faces
from fer_tune.model import FaceClassifier
from fer_tune.retrain import __main__ as retrain
from fer_tune.tracking.models.log_model import load_model
from fer_tune.tracking.queries import find_study, list_trials
from fer_tune.tracking.seed_run import load_test_evaluation
from fer_tune.tracking.store import open_store
from fer_tune.trial import train_and_test, training_loop
from fer_tune.trial.train_state import TrialSpec
from fer_tune.trial_config import BASELINE, TrialConfig
from tests.small_study import NAME as STUDY
from tests.small_study import FinishedStudy

ALONE = ["--no-against-paper"]


@pytest.fixture(autouse=True)
def _here(workplace: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(workplace)
    monkeypatch.delenv("FER_TUNE_DATA", raising=False)


@pytest.fixture
def study(small_study: FinishedStudy) -> str:
    return small_study.name


def _retrainings(status: str) -> list[str]:
    runs = open_store().find_runs({"fer_tune.retrained_study": STUDY})
    return [
        run.info.run_id
        for run in runs
        if "mlflow.parentRunId" not in run.data.tags and run.info.status == status
    ]


def test_the_trial_is_trained_again_tested_and_kept_as_a_model(
    study: str, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    tested = []

    read = train_and_test.evaluate_classifier

    def counted(model: FaceClassifier, faces: Faces, classes: Any) -> Any:
        tested.append(len(faces))
        return read(model, faces, classes)

    monkeypatch.setattr(train_and_test, "evaluate_classifier", counted)
    retrain.main(["--study", study, "--trial", "1", "--epochs", "2", "--seeds", "2", *ALONE])
    splits = draw_demo_splits()
    assert tested == [len(splits.test)] * 2  # once a seed

    store = open_store()
    (parent_id,) = _retrainings("FINISHED")
    seeds = store.find_runs({"mlflow.parentRunId": parent_id})
    trial = list_trials(store, find_study(store, study))[1]
    for run in seeds:
        assert run.info.status == "FINISHED"
        assert run.data.tags["fer_tune.retrained_run"] == trial.run_id
        assert {"test/accuracy", "test_f1/disgust", "gap", "best/epoch"} <= run.data.metrics.keys()
    output = capfd.readouterr().out
    assert "paper" in output
    assert all(name in output for name in EMOTIONS)

    address = output[output.index("models:/") :].split()[0]
    assert "fer_tune.predict FILE --model models:/fer_tune/1" in output
    probabilities = load_model(store, address).predict(splits.test.images)
    assert isinstance(probabilities, pd.DataFrame)
    assert list(probabilities.columns) == list(EMOTIONS)
    np.testing.assert_allclose(probabilities.sum(axis=1), 1)
    accuracy = np.mean(probabilities.to_numpy().argmax(axis=1) == splits.test.labels)
    metrics = {run.info.run_id: run.data.metrics["test/accuracy"] for run in seeds}
    assert any(abs(accuracy - each) < 0.02 for each in metrics.values())


def test_an_ensemble_is_one_model_that_is_tested_without_another_look_at_the_test_faces(
    study: str, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    tested: list[int] = []
    read = train_and_test.evaluate_classifier

    def counted(model: FaceClassifier, faces: Faces, classes: Any) -> Any:
        tested.append(len(model.networks))
        return read(model, faces, classes)

    monkeypatch.setattr(train_and_test, "evaluate_classifier", counted)
    options = ["--seeds", "2", "--ensemble", "--tta", "mirror", *ALONE]
    retrain.main(["--study", study, "--trial", "1", "--epochs", "1", *options])
    assert tested == [1, 1]  # each network once, and not the ensemble
    output = " ".join(capfd.readouterr().out.split())
    assert "Ensemble, the mean of 2 networks, each face in 2 views" in output
    assert "Against its best single network, chosen on the validation faces (seed" in output

    store = open_store()
    uri = output.partition("Registered as ")[2].split(",")[0]
    version = store.client.get_model_version("fer_tune", uri.rpartition("/")[2])
    assert version.tags["fer_tune.ensemble"] == "0, 1"
    assert version.tags["fer_tune.tta"] == "mirror"
    run = store.client.get_run(str(version.run_id))
    parent = store.client.get_run(run.data.tags["mlflow.parentRunId"])
    assert {"against_best_seed/p", "test/accuracy"} <= parent.data.metrics.keys()
    assert {"temperature", "test/calibration_error_before"} <= run.data.metrics.keys()

    test = draw_demo_splits().test
    said = np.asarray(load_model(store, uri).predict(test.images))
    recorded = load_test_evaluation(store, str(version.run_id), EMOTIONS).predictions
    assert recorded.probabilities is not None
    np.testing.assert_allclose(said, recorded.probabilities, atol=1e-4)
    assert run.data.metrics["test/accuracy"] == np.mean(recorded.predicted == test.labels)


def test_one_network_is_no_ensemble(study: str) -> None:
    with pytest.raises(UserError, match="give --seeds 2 or more"):
        retrain.main(["--study", study, "--ensemble"])


def test_a_stopped_retraining_continues_after_its_last_epoch(
    study: str, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    arguments = ["--study", study, "--trial", "1", "--epochs", "3", "--seeds", "2", *ALONE]
    trained: list[int] = []
    whole = training_loop._train_epoch

    def counted(*args: Any) -> None:
        trained.append(1)
        whole(*args)

    def stopped(*args: Any) -> None:
        if len(trained) == 4:  # the first epoch of the second seed is over
            raise KeyboardInterrupt
        counted(*args)

    with monkeypatch.context() as patch:
        patch.setattr(training_loop, "_train_epoch", stopped)
        with pytest.raises(KeyboardInterrupt):
            retrain.main(arguments)
    assert "The same command continues" in capfd.readouterr().out
    (killed,) = _retrainings("KILLED")
    nested = open_store().find_runs({"mlflow.parentRunId": killed})
    assert [run.info.status for run in nested] == ["FINISHED", "KILLED"]

    trained.clear()
    tested = []

    read = train_and_test.evaluate_classifier

    def counted_test(model: FaceClassifier, faces: Faces, classes: Any) -> Any:
        tested.append(len(faces))
        return read(model, faces, classes)

    monkeypatch.setattr(training_loop, "_train_epoch", counted)
    monkeypatch.setattr(train_and_test, "evaluate_classifier", counted_test)
    retrain.main(arguments)
    assert (len(trained), len(tested)) == (2, 1)
    assert _retrainings("KILLED") == []
    assert killed in _retrainings("FINISHED")
    output = capfd.readouterr().out
    assert "seed 0: best epoch" in output
    assert "seed 1: best epoch" in output


def test_a_retraining_deletes_its_checkpoints_once_it_is_over_and_no_file_of_others(
    study: str, workplace: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    arguments = ["--study", study, "--trial", "1", "--epochs", "4", *ALONE]
    kept = workplace / f"mlruns/studies/{study}/retrain-000001-4"
    trained: list[int] = []
    whole = training_loop._train_epoch

    def stopped(*args: Any) -> None:
        if trained:
            raise KeyboardInterrupt
        trained.append(1)
        whole(*args)

    with monkeypatch.context() as patch:
        patch.setattr(training_loop, "_train_epoch", stopped)
        with pytest.raises(KeyboardInterrupt):
            retrain.main(arguments)
    assert [path.name for path in kept.rglob("*")] == ["seed-0", "state.pt"]
    others = [kept / "notes.txt", kept / "seed-0/notes.txt", kept / "seeds/state.pt"]
    for path in others:
        path.parent.mkdir(exist_ok=True)
        path.write_text("mine")
    retrain.main(arguments)
    assert sorted(path for path in kept.rglob("*") if path.is_file()) == others


def test_the_baseline_is_trained_once_however_often_it_is_compared_with(
    study: str, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    trained: list[TrialConfig] = []
    whole = training_loop._train_epoch

    def interrupt_the_baseline(task: TrialSpec, *args: Any) -> None:
        trained.append(task.config)
        if task.config == BASELINE:
            raise KeyboardInterrupt
        whole(task, *args)

    def counted(task: TrialSpec, *args: Any) -> None:
        trained.append(task.config)
        whole(task, *args)

    arguments = ["--study", study, "--trial", "1", "--epochs", "1", "--flip"]
    with monkeypatch.context() as patch:
        patch.setattr(training_loop, "_train_epoch", interrupt_the_baseline)
        with pytest.raises(KeyboardInterrupt):
            retrain.main(arguments)
    monkeypatch.setattr(training_loop, "_train_epoch", counted)
    before = len(open_store().client.search_model_versions("name = 'fer_tune'"))
    retrain.main(arguments)
    assert [config == BASELINE for config in trained] == [False, True, True]
    retrain.main(arguments)
    assert [config == BASELINE for config in trained[3:]] == [False]
    output = capfd.readouterr().out
    assert "The baseline was trained like this before." in output
    assert output.count("Against the baseline, trained in the same way") == 2
    after = open_store().client.search_model_versions("name = 'fer_tune'")
    assert len(after) == before + 2

    retrain.main(["--study", study, "--trial", "0", "--epochs", "1"])
    assert "Against the baseline" not in capfd.readouterr().out  # which it is


def test_the_best_trial_is_the_default(study: str, capfd: pytest.CaptureFixture[str]) -> None:
    store = open_store()
    found = list_trials(store, find_study(store, study))
    best = max(found, key=lambda trial: trial.metrics["val/macro_f1"])
    retrain.main(["--study", study, "--epochs", "1", *ALONE])
    assert f"Training trial {best.number:03d}" in capfd.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--study", "nowhere"], "nowhere"),
        (["--study", STUDY, "--trial", "7"], "has trials 0 to 1"),
        (["--study", STUDY, "--data", "nowhere.csv"], "nowhere.csv"),
        (["--study", STUDY, "--tracking-uri", "http://127.0.0.1:9"], "does not answer"),
        (["--study", STUDY, "--storage", "/proc/nowhere"], "cannot be written"),
    ],
)
def test_a_mistake_gives_one_line(study: str, arguments: list[str], message: str) -> None:
    assert study == STUDY
    before = {status: _retrainings(status) for status in ("RUNNING", "FINISHED", "FAILED")}
    with pytest.raises(UserError, match=message) as error:
        retrain.main(arguments)
    assert "\n" not in str(error.value)
    assert {status: _retrainings(status) for status in before} == before


def test_other_faces_than_the_studys_are_refused(study: str, workplace: Path) -> None:
    rows = ["emotion,pixels,Usage"]
    rng = np.random.default_rng(0)
    for index in range(140):
        pixels = " ".join(map(str, rng.integers(0, 256, 48 * 48)))
        usage = ("Training", "Training", "PublicTest", "PrivateTest")[index % 4]
        rows.append(f"{index // 4 % 7},{pixels},{usage}")
    (workplace / "other.csv").write_text("\n".join(rows) + "\n")
    with pytest.raises(UserError, match="not the faces of study"):
        retrain.main(["--study", study, "--data", "other.csv"])
