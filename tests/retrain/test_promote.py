import re
import shutil
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from mlflow import MlflowClient
from mlflow.entities.model_registry import ModelVersion
from rich.console import Console

from fer_tune.data.faces import Faces, Splits
from fer_tune.model import FaceClassifier, FerNet
from fer_tune.retrain.promote import (
    RetrainResult,
    choose_alias,
    choose_best_seed,
    compare_and_register,
)
from fer_tune.scoring.evaluation import Evaluation
from fer_tune.scoring.metrics import EpochResult
from fer_tune.scoring.predictions import Predictions
from fer_tune.scoring.significance import McNemarResult
from fer_tune.tracking import registry, tags
from fer_tune.tracking.models.find_model import RecordedModel
from fer_tune.tracking.models.log_model import load_model
from fer_tune.tracking.queries import StudyRun, TrialRun
from fer_tune.tracking.registry import CHALLENGER, CHAMPION
from fer_tune.tracking.retrain_run import find_seed_in_any_retraining, open_retrain_run
from fer_tune.tracking.seed_run import SeedOutcome
from fer_tune.tracking.store import Store, open_store
from fer_tune.tracking.study_and_retrain_info import RetrainInfo
from fer_tune.trial.train_and_test import TrainedModel
from fer_tune.trial_config import TrialConfig

CLASSES = ("cat", "dog", "owl")
FACES = 150
CONFIG = TrialConfig(depth=1, width=4, hidden_1=8, hidden_2=8)
METRIC = "val/macro_f1"


@pytest.fixture(scope="module")
def kept_store(tmp_path_factory: pytest.TempPathFactory) -> Store:
    return open_store(str(tmp_path_factory.mktemp("store") / "mlruns"))


@pytest.fixture
def store(kept_store: Store) -> Iterator[Store]:
    """Yield a store whose registry is empty."""
    yield kept_store
    client = kept_store.client
    for model in client.search_registered_models():
        client.delete_registered_model(model.name)


@pytest.fixture(scope="module")
def splits() -> Splits:
    """Return splits with 27 training faces, of which two are duplicates of test faces."""
    rng = np.random.default_rng(0)

    def noise(count: int) -> Faces:
        images = rng.integers(0, 256, (count, 48, 48), dtype=np.uint8)
        return Faces(images, np.arange(count) % len(CLASSES))

    test, train = noise(FACES), noise(27)
    train.images[:2] = test.images[:2]
    return Splits(CLASSES, train, noise(3), test, "faces.zip", "As drawn.")


def make_info(
    splits: Splits, number: int, source: str = "faces.zip", protocol: str = "As drawn."
) -> RetrainInfo:
    marks = {tags.SOURCE: source, tags.FACES_HASH: source, tags.PROTOCOL: "of the study"}
    study = StudyRun("s", "0", "finished", METRIC, marks, {"train_faces": "12"})
    trial = TrialRun(number, f"run {number}", "t", CONFIG, "finished", 1, {}, {})
    return RetrainInfo(study, trial, 1, replace(splits, protocol=protocol), "retrain")


def make_predictions(splits: Splits, right: int) -> Predictions:
    """Return predictions: the first `right` faces are correct, with TTA none."""
    truth = splits.test.labels
    wrong = (truth + 1) % len(CLASSES)
    predicted = np.where(np.arange(FACES) < right, truth, wrong)
    plain, flipped = np.eye(3)[predicted] * 0.85 + 0.05, np.eye(3)[wrong]
    return Predictions.from_probabilities(truth, plain, flipped)


def result(score: float) -> EpochResult:
    metrics = {METRIC: score, "gap": 0.1, "val/accuracy": 0.5, "train/accuracy": 0.6}
    return EpochResult(1, metrics, np.eye(3, dtype=int).tolist())


def make_outcome(splits: Splits, right: int, seed: int = 0, score: float = 0.5) -> SeedOutcome:
    """Return results that no run has."""
    test = Evaluation(CLASSES, make_predictions(splits, right))
    return SeedOutcome(seed, "", "", result(score), test)


Register = Callable[..., tuple[ModelVersion, str]]


@pytest.fixture
def register(store: Store, splits: Splits) -> Register:
    """Return a function that registers a model with so many correct test faces.

    It returns the model's version and the output.
    """

    def run_it(
        number: int,
        right: int,
        source: str = "faces.zip",
        protocol: str = "As drawn.",
        **changes: Any,
    ) -> tuple[ModelVersion, str]:
        info, console = make_info(splits, number, source, protocol), Console(width=80)
        alone = make_outcome(splits, right)
        with open_retrain_run(store, info) as run, console.capture() as printed:
            kept = run.find_finished_seed(0)
            if kept is None:
                with run.open_seed_run(0) as seed:
                    network = FaceClassifier([FerNet(CONFIG, len(CLASSES))])
                    kept = seed.log_outcome(TrainedModel(network, alone.best, alone.test))
            options = {"baseline": None, "with_tta": False, **changes}
            compare_and_register(console, store, run, RetrainResult(info, [kept], **options))
        found = store.client.search_model_versions(f"run_id = '{kept.run_id}'")
        assert len(found) == 1
        return store.client.get_model_version("fer_tune", found[0].version), printed.get()

    return run_it


def _champions_model(store: Store) -> str:
    model_id = load_model(store, "models:/fer_tune@champion").metadata.model_id
    assert model_id is not None
    return model_id


def test_the_first_model_is_the_champion_and_has_the_reason(
    store: Store, register: Register
) -> None:
    version, printed = register(1, 90)
    assert version.aliases == [CHAMPION]
    assert "there was no champion" in str(version.description)
    interval = r"\(0\.\d{3} to 0\.\d{3}\)"
    scores = rf"test macro F1 0\.600 {interval}, test accuracy 0\.600 {interval}\. In brackets"
    assert re.search(scores, str(version.description))
    assert "trained on 12 of 27 training faces" in str(version.description)
    assert "models:/fer_tune/1, @champion: there was no champion." in printed
    assert version.tags[tags.FACES_HASH] == "faces.zip"
    entry = store.client.get_logged_model(_champions_model(store))
    assert "fer_tune" in entry.tags["mlflow.modelVersions"]


def test_a_log_that_cannot_be_written_loses_no_model(
    store: Store, register: Register, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object, **__: object) -> None:
        raise OSError("the disk of the log is full")

    monkeypatch.setattr(Console, "print", fail)
    with pytest.raises(OSError, match="log is full"):
        register(900, 90)
    version = store.client.get_model_version_by_alias("fer_tune", CHAMPION)
    assert "there was no champion" in str(version.description)
    runs = store.find_runs({"fer_tune.retrained_trial": "900"})
    (retraining,) = (run for run in runs if "mlflow.parentRunId" not in run.data.tags)
    assert "test/accuracy_without_twins" in retraining.data.metrics


def test_a_better_model_takes_the_champions_place(store: Store, register: Register) -> None:
    register(2, 90)
    version, printed = register(3, 110)
    assert version.aliases == [CHAMPION]
    assert "20 faces correct by this model only, 0 by" in " ".join(printed.split())
    assert store.client.get_model_version("fer_tune", "1").aliases == []


@pytest.mark.parametrize(
    ("right", "verdict"),
    [(90, "not significantly different"), (95, "not significantly different"), (60, "worse")],
)
def test_one_that_is_not_better_beyond_chance_is_a_challenger(
    store: Store, register: Register, right: int, verdict: str
) -> None:
    register(4 + 2 * right, 90)
    version, _ = register(5 + 2 * right, right)
    assert version.aliases == [CHALLENGER]
    assert verdict in str(version.description)
    lost = " It is worse in: " if right == 60 else "may be chance)."
    assert lost in str(version.description)
    champion = registry.find_champion(store)
    assert champion is not None
    assert champion.version == "fer_tune/1"


def test_a_champion_of_other_faces_is_not_compared_and_stays(
    register: Register, store: Store
) -> None:
    register(400, 30, source="others.zip")
    version, printed = register(401, 140)
    assert version.aliases == [CHALLENGER]
    assert "it was trained on other faces or splits (others.zip)" in " ".join(printed.split())
    found = registry.find_champion(store)
    assert found is not None
    assert found.version == "fer_tune/1"


def test_a_champion_whose_protocol_is_worded_otherwise_is_compared(register: Register) -> None:
    register(450, 90, protocol="Training trains, PublicTest validates.")
    version, _ = register(451, 110, protocol="Training is the training split.")
    assert version.aliases == [CHAMPION]
    assert "20 faces" in " ".join(str(version.description).split())


@pytest.mark.parametrize("method", ["set_registered_model_alias", "set_terminated"])
def test_a_model_is_registered_once_however_often_its_retraining_is_resumed(
    store: Store, register: Register, monkeypatch: pytest.MonkeyPatch, method: str
) -> None:
    number = 500 if method == "set_terminated" else 501
    with monkeypatch.context() as patch:
        whole = getattr(MlflowClient, method)

        def killed(client: MlflowClient, *args: Any, **how: Any) -> None:
            # The seed's run ends as usual, its parent does not.
            if method == "set_terminated" and not store.client.search_registered_models():
                whole(client, *args, **how)
            else:
                raise RuntimeError

        patch.setattr(MlflowClient, method, killed)
        with suppress(RuntimeError):
            register(number, 90)
    version, _ = register(number, 90)  # which counts the versions of its run
    assert version.aliases == [CHAMPION]
    assert len(store.client.search_model_versions("name = 'fer_tune'")) == 1


def test_a_champion_without_recorded_predictions_predicts_again(
    store: Store, register: Register, splits: Splits
) -> None:
    version, _ = register(600, 90)
    found = registry.find_champion(store)
    assert found is not None
    recorded = registry.evaluate_champion(store, found, splits.test, CLASSES).predictions
    np.testing.assert_array_equal(recorded.predicted, make_predictions(splits, 90).predicted)
    (artifact,) = Path(store.uri.removeprefix("sqlite:///")).parent.rglob(
        f"{version.run_id}/artifacts/test_predictions.csv"
    )
    artifact.unlink()
    computed = registry.evaluate_champion(store, found, splits.test, CLASSES).predictions
    table = load_model(store, "models:/fer_tune/1").predict(splits.test.images)
    np.testing.assert_array_equal(computed.predicted, np.asarray(table).argmax(axis=1))


def _lose_artifacts(store: Store, version: ModelVersion) -> None:
    """Delete what the run of a model and the model itself stored."""
    shutil.rmtree(str(version.source).removeprefix("file://"))
    (folder,) = Path(store.uri.removeprefix("sqlite:///")).parent.rglob(str(version.run_id))
    shutil.rmtree(folder)


def test_a_model_is_registered_although_the_champion_is_lost(
    store: Store, register: Register
) -> None:
    champion, _ = register(650, 90)
    _lose_artifacts(store, champion)
    version, printed = register(651, 110)
    assert version.aliases == [CHALLENGER]
    assert "cannot be compared with fer_tune/1, the champion: its model cannot be used" in " ".join(
        printed.split()
    )


def test_a_model_is_registered_although_the_champion_cannot_predict(
    register: Register, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        raise RuntimeError("this torch is too old\nfor these weights")

    register(660, 90)
    monkeypatch.setattr(registry, "evaluate_champion", fail)
    version, _ = register(661, 110)
    assert version.aliases == [CHALLENGER]
    assert "cannot be used (this torch is too old)" in str(version.description)


def test_a_seed_whose_results_are_lost_is_not_taken_for_trained(
    store: Store, register: Register, splits: Splits
) -> None:
    version, _ = register(670, 90)
    assert find_seed_in_any_retraining(store, make_info(splits, 670), 0)
    for run in store.find_runs({tags.FACES_HASH: "faces.zip"}):
        if run.info.run_id != version.run_id:
            store.client.delete_run(run.info.run_id)
    _lose_artifacts(store, version)
    assert find_seed_in_any_retraining(store, make_info(splits, 670), 0) is None


def test_the_baseline_duplicates_and_tta_are_reported_beside_the_plain_score(
    store: Store, register: Register, splits: Splits
) -> None:
    baseline = [
        make_outcome(splits, 75, seed=0, score=0.1),
        make_outcome(splits, 30, seed=1, score=0.3),
    ]
    version, printed = register(700, 90, baseline=baseline, with_tta=True)
    output = " ".join(printed.split())
    assert "test accuracy 0.600" in output
    assert "without 2 duplicates of training faces 0.595" in output  # 88 of 148
    assert "with TTA (mirror images) 0.000" in output
    assert "trained in the same way (seed 1: test macro F1 0.200, test accuracy 0.200)" in output
    assert "better (60 faces correct by this model only" in output
    seed = store.client.get_run(str(version.run_id))
    run = store.client.get_run(seed.data.tags[tags.PARENT])
    assert run.data.metrics["test/accuracy"] == 0.6
    assert run.data.metrics["test/accuracy_without_twins"] == pytest.approx(88 / 148)
    assert run.data.metrics["test/flip_accuracy"] == 0
    assert run.data.metrics["against_paper/told_alone"] == 60


def test_the_score_without_duplicates_is_logged_also_if_there_are_none(
    store: Store, register: Register, splits: Splits
) -> None:
    splits.train.images[:2] = 0
    version, printed = register(750, 90)
    assert "duplicate" not in printed
    run_id = store.client.get_run(str(version.run_id)).data.tags[tags.PARENT]
    metrics = store.client.get_run(run_id).data.metrics
    assert metrics["test/accuracy_without_twins"] == 0.6
    assert metrics["test/accuracy_without_near_duplicates"] == 0.6


def test_near_duplicates_of_training_faces_are_left_out_apart_from_exact_ones(
    store: Store, register: Register, splits: Splits
) -> None:
    splits.train.images[:3] = splits.test.images[:3]
    splits.train.images[2, 0, 0] ^= 1
    version, printed = register(760, 90)
    output = " ".join(printed.split())
    assert "without 2 duplicates of training faces 0.595" in output
    assert "without 3 near-duplicates of training faces 0.592" in output  # 87 of 147
    run_id = store.client.get_run(str(version.run_id)).data.tags[tags.PARENT]
    metrics = store.client.get_run(run_id).data.metrics
    assert metrics["test/accuracy_without_near_duplicates"] == pytest.approx(87 / 147)


def test_a_champion_of_the_demo_faces_is_replaced_by_a_model_of_others(register: Register) -> None:
    demos, _ = register(800, 140, source="demo faces")
    assert demos.aliases == [CHAMPION]
    real, printed = register(801, 20)
    assert real.aliases == [CHAMPION]
    assert "the champion until now, was trained on the demo faces" in " ".join(printed.split())


def test_the_validation_faces_choose_the_seed_and_the_test_faces_nothing(splits: Splits) -> None:
    outcomes = [make_outcome(splits, *each) for each in ((90, 0, 0.4), (10, 1, 0.6), (50, 2, 0.6))]
    assert choose_best_seed(outcomes, METRIC).seed == 1
    assert choose_best_seed(outcomes, "gap").seed == 0  # all the same: the first


@pytest.mark.parametrize("theirs", [0, 9, 20])
def test_only_a_better_model_replaces_a_champion(theirs: int) -> None:
    test = McNemarResult(9, theirs, p=0.01 if theirs != 9 else 1.0)
    alias, why = choose_alias(RecordedModel("", "", "", "", "fer_tune/7"), test)
    assert alias == (CHAMPION if theirs == 0 else CHALLENGER)
    assert "fer_tune/7" in why
