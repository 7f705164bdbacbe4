"""The studies on FER2013 that the benchmarks' results come from can be loaded."""

import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from fer_tune.data.load import load_splits
from fer_tune.study.records.event_log import read_checked_trials
from fer_tune.study.records.settings import FILE, StudySettings, read_settings

STUDIES = Path(__file__).parents[2] / "benchmarks" / "studies"
NAMES = sorted(path.parent.name for path in STUDIES.glob(f"*/{FILE}"))


def test_no_study_is_missing() -> None:
    assert NAMES == [
        "ablation",
        "distilled",
        "labels-0",
        "labels-1",
        "labels-2",
        "long",
        "longer",
        "paper",
        "regularize",
    ]


@pytest.mark.parametrize("name", NAMES)
def test_a_study_is_loaded(name: str) -> None:
    folder, settings = read_settings(STUDIES, name)
    trials = read_checked_trials(folder, settings).to_list()
    assert [trial.number for trial in trials] == list(range(len(trials)))
    assert 0 < len(trials) <= settings.trials
    assert all(trial.history for trial in trials if trial.ending in ("finished", "stopped"))


def test_their_faces_are_those_that_the_recorded_options_read(real_faces: Path) -> None:
    for settings in list_settings_of(real_faces.name):
        splits = load_splits(real_faces, settings.read_options)
        assert splits.content_hash() == settings.faces_hash, settings.name


@pytest.mark.slow
def test_the_faces_and_votes_of_studies_on_the_csv_are_those_that_they_recorded(
    real_faces: Path, tmp_path: Path
) -> None:
    for shape, name in (("csv", "fer2013.csv"), ("votes", "fer2013new.csv")):
        command = [sys.executable, str(real_faces.with_name("unpack.py")), shape, name]
        subprocess.run(command, cwd=tmp_path, check=True)
    for settings in list_settings_of("fer2013.csv"):
        options = replace(settings.read_options, votes=tmp_path / "fer2013new.csv")
        splits = load_splits(tmp_path / "fer2013.csv", options)
        assert splits.content_hash() == settings.faces_hash, settings.name
        assert splits.votes_hash() == settings.votes_hash, settings.name


def list_settings_of(data: str) -> list[StudySettings]:
    """Return the settings of the studies on the faces in this file."""
    every = [read_settings(STUDIES, name)[1] for name in NAMES]
    own = [settings for settings in every if settings.data == Path(data)]
    assert own
    return own
