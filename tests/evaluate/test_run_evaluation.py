import json
from collections.abc import Iterator
from pathlib import Path
from typing import get_args

import numpy as np
import pandas as pd
import pytest
import torch

from fer_tune.common.errors import UserError
from fer_tune.data.faces import EMOTIONS
from fer_tune.data.load import load_splits
from fer_tune.data.read_options import ReadOptions, SplitRule
from fer_tune.evaluate.__main__ import main
from fer_tune.model import FaceClassifier, FerNet
from fer_tune.model_config import ModelConfig
from fer_tune.scoring.predictions import Predictions
from fer_tune.tracking import evaluation_run, tags
from fer_tune.tracking.models.log_model import load_model, log_model
from fer_tune.tracking.store import Store, open_store
from tests.data.held import Face, drawn_faces, place, write_csv, write_kaggle_folders

pytestmark = pytest.mark.usefixtures("own_folders")


@pytest.fixture(scope="module")
def kept_store(tmp_path_factory: pytest.TempPathFactory) -> Store:
    return open_store(str(tmp_path_factory.mktemp("store") / "mlruns"))


@pytest.fixture
def store(kept_store: Store) -> Iterator[Store]:
    """Yield a store that has no evaluations yet."""
    yield kept_store
    for run in kept_store.find_runs({tags.EVALUATED_SPLIT: ""}):
        kept_store.client.delete_run(run.info.run_id)


@pytest.fixture(scope="module")
def model(kept_store: Store) -> str:
    """The address of an untrained model, whose training is not recorded."""
    return add_model(kept_store, {})


def add_model(store: Store, marks: dict[str, str], **params: int) -> str:
    torch.manual_seed(0)
    config = ModelConfig(depth=1, width=4, hidden_1=8, hidden_2=8)
    network = FerNet(config, len(EMOTIONS)).eval()
    client = store.client
    run_id = client.create_run(store.experiment_id, tags=marks).info.run_id
    store.log_params(run_id, params)
    return log_model(store, run_id, FaceClassifier([network]), EMOTIONS)


def evaluate(store: Store, *typed: str) -> None:
    main([*typed, "--tracking-uri", store.uri])


def list_evaluations(store: Store) -> list[dict[str, float]]:
    runs = store.find_runs({tags.EVALUATED_SPLIT: ""})
    return [dict(run.data.metrics) for run in runs]


def test_the_test_split_is_scored_printed_and_kept_as_a_run_of_the_model(
    store: Store, model: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    data = write_csv(drawn_faces(), tmp_path)
    evaluate(store, model, "--data", str(data), "--output", "page.html")
    printed = capsys.readouterr().out
    test = load_splits(data).test
    table = load_model(store, model).predict(test.images)
    assert isinstance(table, pd.DataFrame)
    accuracy = np.mean(table.to_numpy().argmax(1) == test.labels)
    assert printed.startswith("It is not known whether the model trained on some of these faces:")
    assert "Faces: fer2013.csv, test split." in printed
    assert f"Accuracy {accuracy:.3f} (" in printed
    assert "fer2013.csv, row " in printed.partition("The most confident mistakes:")[2]
    (run,) = store.find_runs({tags.EVALUATED_MODEL: model})
    client = store.client
    trained = client.get_logged_model(model.removeprefix("models:/")).source_run_id
    assert run.data.tags[tags.PARENT] == trained
    assert run.info.status == "FINISHED"
    assert run.data.metrics["eval/accuracy"] == pytest.approx(accuracy)
    assert run.data.params["split"] == "test"
    inputs = client.get_run(run.info.run_id).inputs
    assert inputs is not None
    assert [each.model_id for each in inputs.model_inputs] == [model.removeprefix("models:/")]
    names = {file.path for file in client.list_artifacts(run.info.run_id)}
    assert names == {
        *("confusion.png", "confusion.csv", "predictions.csv", "evaluation.html", "command.txt")
    }
    kept = Predictions.from_csv(store.read_text(run.info.run_id, "predictions.csv"), EMOTIONS)
    assert kept.names is not None
    assert sorted(kept.names.tolist()) == sorted(test.names.tolist())
    page = Path("page.html").read_text()
    assert page == store.read_text(run.info.run_id, "evaluation.html")
    assert page.count("<svg") == 2
    assert page.count("<img ") == (table.to_numpy().argmax(1) != test.labels).sum()


def test_evaluations_of_the_same_test_faces_are_counted(
    store: Store, model: str, tmp_path: Path
) -> None:
    data = str(write_csv(drawn_faces(), tmp_path))
    for split in ("test", "validation", "test"):
        evaluate(store, model, "--data", data, "--split", split)
    counts = [metrics.get("eval/test_evaluations") for metrics in list_evaluations(store)]
    assert counts == [1, None, 2]


def test_faces_that_name_no_splits_are_all_used(
    store: Store, model: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for number, label in enumerate([3, 3, 4]):  # too few for a study, and no image is a duplicate
        image = np.full((48, 48), number * 9, np.uint8)
        place(Face(label, "", image), tmp_path / "own" / EMOTIONS[label] / f"{number}.png")
    evaluate(store, model, "--data", str(tmp_path / "own"), "--json")
    result = json.loads(capsys.readouterr().out)
    assert (result["split"], result["faces"]) == ("all", 3)
    assert list(result["classes"]) == ["happy", "sad"]
    assert "angry, disgust, fear, surprise, neutral" in result["notes"][0]
    mistakes = {each["face"] for each in result["mistakes"]}
    assert mistakes < {"happy/0.png", "happy/1.png", "sad/2.png"}
    assert result["accuracy"]["low"] <= result["accuracy"]["value"] <= result["accuracy"]["high"]


def test_faces_that_the_model_trained_on_are_counted_and_left_out_once_more(
    store: Store, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    faces = drawn_faces()
    faces[-1] = Face(faces[-1].label, faces[-1].usage, faces[0].image)
    data = write_csv(faces, tmp_path)
    marks = {tags.FACES_HASH: load_splits(data).content_hash(), tags.RETRAINED_STUDY: "gone"}
    marks[tags.SOURCE] = "fer2013.csv"
    evaluate(store, add_model(store, marks), "--data", str(data))
    first, *lines = capsys.readouterr().out.splitlines()
    assert first == (
        "The model trained on 1 of these 14 faces (7.1%), which is an exact duplicate of its "
        "training faces."
    )
    assert any(line.startswith("Without 1 exact duplicate of") for line in lines)
    (metrics,) = list_evaluations(store)
    assert metrics["eval/trained_on"] == 1


def test_near_duplicates_of_training_faces_are_left_out_once_more(
    store: Store, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    faces = drawn_faces()
    faces[-1] = Face(faces[-1].label, faces[-1].usage, faces[0].image[:, ::-1])
    data = write_csv(faces, tmp_path)
    marks = {tags.FACES_HASH: load_splits(data).content_hash(), tags.RETRAINED_STUDY: "gone"}
    model = add_model(store, marks | {tags.SOURCE: "fer2013.csv"})
    evaluate(store, model, "--data", str(data))
    output = capsys.readouterr().out
    assert "The model trained on none of these 14 faces" in output
    assert "Without 1 near-duplicate of training faces: accuracy" in output
    evaluate(store, model, "--data", str(data), "--json")
    result = json.loads(capsys.readouterr().out)
    assert (result["trained_on"], result["near_duplicates"]) == (0, 1)
    assert result["without_near_duplicates"]["faces"] == 13
    metrics = list_evaluations(store)[0]
    assert metrics["eval/near_duplicates"] == 1
    assert "eval/accuracy_without_near_duplicates" in metrics


def test_faces_outside_the_sample_that_the_model_trained_on_are_not_counted(
    store: Store, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    data = write_csv(drawn_faces(), tmp_path)
    marks = {tags.FACES_HASH: load_splits(data).content_hash(), tags.RETRAINED_STUDY: "gone"}
    marks[tags.SOURCE] = "fer2013.csv"
    sampled = add_model(store, marks, train_faces=10, faces_seed=3)
    evaluate(store, sampled, "--data", str(data), "--split", "train")
    total = len(load_splits(data).train)
    assert f"The model trained on 10 of these {total} faces" in capsys.readouterr().out


@pytest.mark.parametrize("rule", get_args(SplitRule))
def test_faces_are_divided_as_for_the_training_of_the_model(
    rule: SplitRule, store: Store, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    faces = [Face(f.label, "Training", f.image) for f in drawn_faces()]
    copies = [Face(f.label, f.usage, f.image[:, ::-1]) for f in faces]
    data = write_csv(faces + copies, tmp_path)
    splits = load_splits(data, ReadOptions(split_rule=rule))
    marks = {tags.FACES_HASH: splits.content_hash(), tags.RETRAINED_STUDY: "gone"}
    marks[tags.SOURCE] = "fer2013.csv"
    evaluate(store, add_model(store, marks), "--data", str(data), "--split", "test")
    total = len(splits.test)
    assert f"The model trained on none of these {total} faces" in capsys.readouterr().out


def test_training_faces_that_are_gone_are_said_to_be_unknown(
    store: Store, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    marks = {tags.FACES_HASH: "0" * 64, tags.RETRAINED_STUDY: "gone", tags.SOURCE: "theirs.zip"}
    evaluate(store, add_model(store, marks), "--data", str(write_csv(drawn_faces(), tmp_path)))
    assert "theirs.zip cannot be read (study gone is not in" in capsys.readouterr().out


def test_predictions_of_others_are_scored_and_compared_on_the_same_faces(
    store: Store, model: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    data = write_kaggle_folders(drawn_faces(), tmp_path)
    test = load_splits(data).test
    right = [EMOTIONS[label] for label in test.labels]
    pd.DataFrame({"file": test.names, "class": right}).to_csv("theirs.csv", index=False)
    evaluate(store, model, "--data", str(data), "--predictions", "theirs.csv")
    printed = capsys.readouterr().out
    assert "Predictions in theirs.csv: Accuracy 1.000 (1.000 to 1.000)" in printed
    assert "Against these predictions, the model is worse (0 faces correct by this" in printed
    (metrics,) = list_evaluations(store)
    assert metrics["predictions/accuracy"] == 1
    assert metrics["against_predictions/told_alone"] == 0


@pytest.mark.parametrize(
    ("typed", "problem"),
    [
        (["models:/m-0"], "model models:/m-0 in"),
        (["models:/nothing@champion"], "model models:/nothing@champion in"),
        (["--predictions", "short.csv"], "short.csv lacks 13 faces"),
        (["--output", "/proc/page.html"], "/proc/page.html cannot be written"),
    ],
)
def test_a_mistake_leaves_no_run(
    typed: list[str], problem: str, store: Store, model: str, tmp_path: Path
) -> None:
    data = write_csv(drawn_faces(), tmp_path)
    name = load_splits(data).test.names[0]
    Path("short.csv").write_text(f'file,class\n"{name}",sad\n')
    model_typed = [] if typed[0].startswith("models:/") else [model]
    with pytest.raises(UserError, match=problem):
        evaluate(store, *model_typed, *typed, "--data", str(data))
    assert list_evaluations(store) == []


@pytest.mark.parametrize(
    ("error", "status"), [(KeyboardInterrupt, "KILLED"), (RuntimeError, "FAILED")]
)
def test_an_evaluation_that_is_interrupted_ends_as_killed(
    error: type[BaseException],
    status: str,
    store: Store,
    model: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def stop(*_: object) -> None:
        raise error

    monkeypatch.setattr(evaluation_run, "log_confusion_matrix", stop)
    with pytest.raises(error):
        evaluate(store, model, "--data", str(write_csv(drawn_faces(), tmp_path)))
    (run,) = store.find_runs({tags.EVALUATED_SPLIT: ""})
    assert run.info.status == status


def test_a_version_in_the_registry_is_named(store: Store, model: str, tmp_path: Path) -> None:
    client, name = store.client, "named"
    client.create_registered_model(name)
    logged = client.get_logged_model(model.removeprefix("models:/"))
    version = client.create_model_version(
        name, logged.artifact_location, logged.source_run_id, model_id=logged.model_id
    )
    client.set_registered_model_alias(name, "best", version.version)
    evaluate(store, "models:/named@best", "--data", str(write_csv(drawn_faces(), tmp_path)))
    (run,) = store.find_runs({tags.EVALUATED_VERSION: "named/1"})
    assert run.info.run_name == "evaluated named/1 on fer2013.csv, test"
    client.delete_registered_model(name)
