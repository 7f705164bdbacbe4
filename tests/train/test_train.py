import json
import shlex
from pathlib import Path
from typing import Any

import pytest
from mlflow import MlflowClient
from mlflow.exceptions import MlflowException

from fer_tune.common.errors import UserError
from fer_tune.manage import __main__ as studies
from fer_tune.report import __main__ as report
from fer_tune.search import __main__ as search
from fer_tune.study.records.event_log import read_trials
from fer_tune.tracking import tags
from fer_tune.tracking.list_studies import ListedStudy, list_studies
from fer_tune.tracking.queries import find_study, list_trials, load_metric_history
from fer_tune.tracking.store import open_store
from fer_tune.train import __main__ as train
from fer_tune.trial import training_loop
from tests.small_study import FinishedStudy

SMALL = ["--train-faces", "300", "--set", "width=4", "--set", "depth=2"]
ALONE = ["--no-against-paper"]


@pytest.fixture(autouse=True)
def _here(workplace: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(workplace)
    monkeypatch.delenv("FER_TUNE_DATA", raising=False)


def _find_listed(name: str) -> ListedStudy:
    return next(study for study in list_studies(open_store()) if study.name == name)


def test_a_training_is_a_study_of_one_trial_that_other_commands_know(
    capfd: pytest.CaptureFixture[str],
) -> None:
    train.main([*SMALL, "--epochs", "2", "--seeds", "2", *ALONE, "--study", "demo-own"])
    output = capfd.readouterr().out
    assert "Training trial 001 of study demo-own with 2 seeds" in output
    assert "Registered as models:/fer_tune/" in output
    page = Path("mlruns/studies/demo-own/report.html").read_text()
    assert "1 trial, completed. Trained on 300 of 2,872 training faces of demo faces." in page
    listed = _find_listed("demo-own")
    assert (listed.trials, listed.status, listed.best_trial) == ({"completed": 1}, "completed", 1)

    (trial,) = read_trials(Path("mlruns/studies/demo-own"))
    assert (trial.name, len(trial.history)) == ("001 depth 2 width 4", 2)
    store = open_store()
    (run,) = list_trials(store, find_study(store, "demo-own"))
    (first_seed,) = store.find_runs({tags.RETRAINED_RUN: run.run_id, tags.SEED: "0"})
    assert first_seed.data.metrics["best/macro_f1"] == run.best_metrics["macro_f1"] == listed.score

    report.main(["--study", "demo-own"])
    assert "demo-own" in Path("mlruns/studies/demo-own/report.html").read_text()
    with pytest.raises(UserError, match="demo-own is a single training; to continue it"):
        search.main(["--resume", "demo-own", "--trials", "2"])
    studies.main(["delete", "demo-own", "--yes"])
    assert "These registered models stay" in capfd.readouterr().out


def test_a_training_is_compared_with_the_baseline(capfd: pytest.CaptureFixture[str]) -> None:
    other_faces = [*SMALL, "--train-faces", "280"]  # no baseline was trained on these
    train.main([*other_faces, "--epochs", "1", "--study", "demo-compared"])
    output = capfd.readouterr().out
    assert "Training the baseline in the same way" in output
    assert "Against the baseline, trained in the same way (seed 0:" in output
    assert _find_listed("demo-compared").trials == {"completed": 1}


def test_a_stopped_training_continues_after_its_last_epoch(
    capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    trained: list[int] = []
    whole = training_loop._train_epoch

    def stop(*args: Any) -> None:
        if len(trained) == 2:
            raise KeyboardInterrupt
        trained.append(1)
        whole(*args)

    arguments = [*SMALL, "--epochs", "3", *ALONE]
    with monkeypatch.context() as patch:
        patch.setattr(training_loop, "_train_epoch", stop)
        with pytest.raises(KeyboardInterrupt):
            train.main([*arguments, "--study", "demo-stopped"])
    assert "--study demo-stopped --resume demo-stopped" in capfd.readouterr().out
    assert _find_listed("demo-stopped").trials == {"interrupted": 1}
    for option, value in (("epochs", "4"), ("seed", "0:7"), ("seed", "0:1")):
        with pytest.raises(UserError, match=f"it began with another value of {option}"):
            train.main([*arguments, f"--{option}", value, "--resume", "demo-stopped"])

    def count(*args: Any) -> None:
        trained.append(1)
        whole(*args)

    monkeypatch.setattr(training_loop, "_train_epoch", count)
    train.main([*arguments, "--resume", "demo-stopped"])
    assert len(trained) == 3
    (trial,) = read_trials(Path("mlruns/studies/demo-stopped"))
    assert [result.epoch for result in trial.history] == [1, 2, 3]
    listed = _find_listed("demo-stopped")
    assert (listed.trials, listed.status) == ({"completed": 1}, "completed")


def test_the_seed_of_a_repeated_trial_is_not_resumed_as_a_plain_seed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def interrupt(*_: Any) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(training_loop, "_train_epoch", interrupt)
    with pytest.raises(KeyboardInterrupt):
        train.main([*SMALL, *ALONE, "--seed", "5:1", "--study", "demo-seeds"])
    again = [*SMALL, *ALONE, "--resume", "demo-seeds", "--seed"]
    with pytest.raises(UserError, match="it began with another value of seed"):
        train.main([*again, "5"])
    with pytest.raises(KeyboardInterrupt):
        train.main([*again, "5:1"])

    file = Path("mlruns/studies/demo-seeds/study.json")
    settings = json.loads(file.read_text())
    assert settings.pop("training_seed") is None
    file.write_text(json.dumps(settings))  # as earlier versions wrote it
    with pytest.raises(KeyboardInterrupt):
        train.main([*again, "5:1"])


def test_a_training_whose_store_fails_is_one_line_and_continues(
    capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: Any, **__: Any) -> None:
        raise MlflowException("no answer")

    arguments = [*SMALL, "--epochs", "1", *ALONE]
    with monkeypatch.context() as patch:
        patch.setattr(MlflowClient, "set_terminated", fail)
        with pytest.raises(UserError, match="no answer") as error:
            train.main([*arguments, "--study", "demo-outage"])
    assert "\n" not in str(error.value)
    assert "To continue after the last epoch: " in capfd.readouterr().out
    train.main([*arguments, "--resume", "demo-outage"])
    listed = _find_listed("demo-outage")
    assert (listed.trials, listed.status) == ({"completed": 1}, "completed")


def test_the_command_on_a_trials_page_repeats_the_trial(small_study: FinishedStudy) -> None:
    store = open_store()
    original = list_trials(store, find_study(store, small_study.name))[1]
    note = store.client.get_run(original.run_id).data.tags[tags.NOTE]
    program, name, *options = shlex.split(note.split("```")[1].removeprefix("sh"))
    assert (program, name) == ("fer-tune", "train")
    train.main([*options, *ALONE, "--study", "demo-repeated"])
    (again,) = list_trials(store, find_study(store, "demo-repeated"))
    assert (again.number, again.config) == (original.number, original.config)
    names = ["train/loss", "val/accuracy"]
    one, other = (load_metric_history(store, trial, names) for trial in (original, again))
    assert len(one) == len(other) == 2
    # Another number of threads adds in another order.
    for each, repeated in zip(one, other, strict=True):
        assert repeated.metrics["train/loss"] == pytest.approx(each.metrics["train/loss"], 0.02)


def test_a_training_that_diverges_is_one_line_and_a_failed_trial(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def diverge(*_: Any) -> None:
        raise training_loop.Diverged("the training loss became nan")

    monkeypatch.setattr(training_loop, "_train_epoch", diverge)
    with pytest.raises(UserError, match="loss became nan; try a smaller learning_rate"):
        train.main([*SMALL, *ALONE, "--study", "demo-diverged"])
    assert _find_listed("demo-diverged").trials == {"failed": 1}


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--set", "learning_rat=3e-4"], "did you mean learning_rate"),
        (["--set", "depth=9"], "depth: 9: Input should be less"),
        (["--set", "depth=2.5"], "depth: 2.5"),
        (["--set", "depth"], "write NAME=VALUE"),
        (["--config", "nowhere.yaml"], "nowhere.yaml cannot be read"),
        (["--from", "nowhere:1"], "no studies in"),
        (["--data", "nowhere.csv"], "nowhere.csv"),
        (["--ensemble"], "give --seeds 2 or more"),
        (["--metric", "f1"], "no such metric"),
        (["--resume", "nowhere"], "no study nowhere"),
    ],
)
def test_a_mistake_is_one_line_and_leaves_nothing(
    arguments: list[str], message: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UserError, match=message) as error:
        train.main(arguments)
    assert "\n" not in str(error.value)
    assert list(tmp_path.iterdir()) == []
