"""Studies whose trials leave out suspects, from the command line to MLflow."""

import json
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest

from fer_tune.ablate import __main__ as ablate
from fer_tune.common.errors import UserError
from fer_tune.data.demo.demo_splits import draw_demo_splits
from fer_tune.data.suspect_list import format_suspects, read_suspects
from fer_tune.retrain import __main__ as retrain
from fer_tune.search import __main__ as search
from fer_tune.study.records.event_log import read_trials
from fer_tune.tracking.queries import find_study
from fer_tune.tracking.store import open_store
from fer_tune.train import __main__ as train

SPACE = """
parameters:
  labels: {type: choice, values: [given, without_suspects]}
  suspect_share: {type: float, low: 0.05, high: 0.4, when: {labels: [without_suspects]}}
fixed: {width: 4, hidden_1: 16, hidden_2: 16}
first_trials: [{labels: without_suspects, suspect_share: 0.25}]
"""
SMALL = ["--space", "space.yaml", "--train-faces", "300", "--trials", "2", "--epochs", "2"]
STUDY = Path("mlruns/studies/demo-clean")


@pytest.fixture(scope="module", autouse=True)
def _here(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Work in a folder with the space, and with a list of suspects in a random order."""
    folder = tmp_path_factory.mktemp("suspects")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        patch.delenv("FER_TUNE_DATA", raising=False)
        Path("space.yaml").write_text(SPACE)
        splits, rng = draw_demo_splits(), np.random.default_rng(0)
        faces = splits.train.take(rng.permutation(len(splits.train)))
        probabilities = rng.dirichlet(np.ones(7), len(faces))
        Path("suspects.csv").write_text(format_suspects(faces, splits.classes, probabilities))
        yield


@pytest.mark.parametrize(
    ("main", "arguments"),
    [(search.main, [*SMALL, "--dry-run"]), (train.main, ["--set", "labels=without_suspects"])],
)
def test_without_a_list_the_command_that_makes_it_is_named(
    main: Callable[[list[str]], None], arguments: list[str]
) -> None:
    with pytest.raises(UserError, match=r"fer_tune.suspects, and name"):
        main(arguments)


@pytest.mark.parametrize(
    ("main", "arguments"),
    [(search.main, ["--space", "smoke", "--dry-run"]), (train.main, ["--set", "depth=2"])],
)
def test_a_list_that_no_trial_uses_is_refused(
    main: Callable[[list[str]], None], arguments: list[str]
) -> None:
    with pytest.raises(UserError, match="no trial leaves out suspects"):
        main([*arguments, "--suspects", "suspects.csv"])


def test_a_study_leaves_out_suspects_and_keeps_to_its_list(
    capfd: pytest.CaptureFixture[str],
) -> None:
    first = read_suspects(Path("suspects.csv"))
    search.main([*SMALL, "--study", "demo-clean", "--suspects", "suspects.csv"])
    baseline, without = read_trials(STUDY)
    assert without.name == "001 without_suspects share 0.25"
    assert (baseline.faces_per_epoch, without.faces_per_epoch) == (300, 225)
    settings = json.loads((STUDY / "study.json").read_text())
    recorded = str(first.path), first.content_hash
    assert (settings["suspects"], settings["suspects_hash"]) == recorded
    run = find_study(open_store(), "demo-clean")
    assert (run.settings["suspects"], run.settings["suspects_hash"]) == recorded

    Path("suspects.csv").rename("moved.csv")
    Path("suspects.csv").write_text("face,label\na,happy\n")
    another = "is not the list of suspects that the study began with"
    again = ["--study", "demo-clean", "--trial", "1"]
    retraining = [*again, "--epochs", "1", "--no-against-paper"]
    for main, arguments in (
        (search.main, ["--resume", "demo-clean"]),
        (search.main, ["--resume", "demo-clean", "--suspects", "suspects.csv"]),
        (retrain.main, retraining),
        (ablate.main, [*again, "--dry-run"]),
    ):
        with pytest.raises(UserError, match=another):
            main(arguments)
    moved = ["--suspects", "moved.csv"]
    search.main(["--resume", "demo-clean", *moved])
    settings = json.loads((STUDY / "study.json").read_text())
    assert settings["suspects"] == str(Path("moved.csv").absolute())
    ablate.main([*again, *moved, "--dry-run"])
    capfd.readouterr()
    retrain.main([*retraining, *moved])
    output = capfd.readouterr().out
    assert "The 25% most suspicious training faces are left out." in output
    assert "Registered as models:/fer_tune/" in output


def test_a_training_leaves_out_suspects(capfd: pytest.CaptureFixture[str]) -> None:
    """Runs after the list has moved."""
    configuration = ["--set", "labels=without_suspects", "--set", "width=4", "--set", "depth=2"]
    small = ["--train-faces", "300", "--epochs", "1", "--no-against-paper", "--study", "demo-own"]
    train.main([*configuration, *small, "--suspects", "moved.csv"])
    (trial,) = read_trials(Path("mlruns/studies/demo-own"))
    assert trial.faces_per_epoch == 270
    assert "Registered as models:/fer_tune/" in capfd.readouterr().out
