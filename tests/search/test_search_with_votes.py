"""Studies on faces with people's votes, from the command line to MLflow and the report."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from fer_tune.common.errors import UserError
from fer_tune.data.load import load_splits
from fer_tune.data.read_options import ReadOptions
from fer_tune.evaluate import __main__ as evaluate
from fer_tune.report import __main__ as report
from fer_tune.retrain import __main__ as retrain
from fer_tune.search import __main__ as search
from fer_tune.study.records.event_log import read_trials
from fer_tune.tracking.queries import find_study, list_trials
from fer_tune.tracking.store import open_store
from fer_tune.train import __main__ as train
from tests.data.formats.test_vote_table import vote_rows, write_votes
from tests.data.held import drawn_faces, write_csv

SPACE = """
parameters:
  labels: {type: choice, values: [given, votes]}
fixed: {width: 4, hidden_1: 16, hidden_2: 16}
first_trials: [{labels: votes}]
"""
STUDY = Path("mlruns/studies/voted")
NEW = ["--data", "fer2013.csv", "--space", "space.yaml", "--trials", "2", "--epochs", "1"]


@pytest.fixture(scope="module", autouse=True)
def _here(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Work in a folder with faces, votes on them, and the space."""
    folder = tmp_path_factory.mktemp("votes")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        patch.delenv("FER_TUNE_DATA", raising=False)
        Path("space.yaml").write_text(SPACE)
        write_csv(drawn_faces(), folder)
        write_votes(folder, vote_rows(drawn_faces()))
        yield


def test_training_on_votes_without_votes_is_refused() -> None:
    for main, arguments in (
        (search.main, [*NEW, "--dry-run"]),
        (train.main, ["--data", "fer2013.csv", "--set", "labels=votes"]),
    ):
        with pytest.raises(UserError, match=r"but fer2013.csv has none; name a table of them with"):
            main(arguments)


def test_a_study_trains_on_votes_scores_against_them_and_keeps_to_them(
    capfd: pytest.CaptureFixture[str],
) -> None:
    search.main([*NEW, "--study", "voted", "--votes", "votes.csv"])
    capfd.readouterr()
    baseline, voted = read_trials(STUDY)
    assert (baseline.config.labels, voted.config.labels) == ("given", "votes")
    assert voted.name == "001 votes"
    assert "val/votes_macro_f1" in baseline.history[0].metrics
    splits = load_splits(Path("fer2013.csv"), ReadOptions(votes=Path("votes.csv")))
    recorded = str(Path("votes.csv").absolute()), splits.votes_hash()
    settings = json.loads((STUDY / "study.json").read_text())
    assert (settings["votes"], settings["votes_hash"]) == recorded
    store = open_store()
    run = find_study(store, "voted")
    assert (run.settings["votes"], run.settings["votes_hash"]) == recorded
    assert "gap_from_disputed" in list_trials(store, run)[1].best_metrics
    assert "Label noise in the gap" in (STUDY / "report.html").read_text()

    Path("votes.csv").rename("moved.csv")
    with pytest.raises(UserError, match=r"votes.csv, people's votes, is no file"):
        search.main(["--resume", "voted"])
    write_votes(Path(), [row.replace(",9", ",8") for row in vote_rows(drawn_faces())][::-1])
    with pytest.raises(UserError, match=r"votes.csv, row 2"):
        search.main(["--resume", "voted"])
    write_votes(Path(), ["Training,,1,1,1,1,1,1,1,0,0,0", *vote_rows(drawn_faces())[1:]])
    with pytest.raises(UserError, match="these are not the votes of study voted"):
        search.main(["--resume", "voted"])
    search.main(["--resume", "voted", "--votes", "moved.csv"])
    settings = json.loads((STUDY / "study.json").read_text())
    assert settings["votes"] == str(Path("moved.csv").absolute())


def test_its_models_are_tested_against_the_votes_too(capfd: pytest.CaptureFixture[str]) -> None:
    """Runs after the votes have moved."""
    again = ["--study", "voted", "--trial", "1", "--no-against-paper", "--votes", "moved.csv"]
    retrain.main(again)
    capfd.readouterr()
    evaluate.main(["--data", "fer2013.csv", "--votes", "moved.csv", "--json"])
    printed = json.loads(capfd.readouterr().out)
    # All people agree with the labels.
    assert printed["votes"]["accuracy"] == printed["accuracy"]["value"]
    assert printed["votes"]["agreed_accuracy"] == printed["accuracy"]["value"]
    assert printed["votes"]["disputed_accuracy"] == 0


def test_the_report_has_the_label_noise_without_the_event_log_too() -> None:
    """Runs after the votes have moved."""
    STUDY.rename("elsewhere")
    report.main(["--study", "voted", "--votes", "moved.csv", "--output", "page.html"])
    assert "Label noise in the gap" in Path("page.html").read_text()
