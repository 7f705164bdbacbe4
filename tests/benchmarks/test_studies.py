"""The studies on FER2013 that the benchmarks' results come from can be loaded."""

from pathlib import Path

import pytest

from fer_tune.data.load import load_splits
from fer_tune.study.records.event_log import read_checked_trials
from fer_tune.study.records.settings import FILE, read_settings

STUDIES = Path(__file__).parents[2] / "benchmarks" / "studies"
NAMES = sorted(path.parent.name for path in STUDIES.glob(f"*/{FILE}"))


def test_no_study_is_missing() -> None:
    assert NAMES == ["distilled", "long", "longer", "paper", "regularize"]


@pytest.mark.parametrize("name", NAMES)
def test_a_study_is_loaded(name: str) -> None:
    folder, settings = read_settings(STUDIES, name)
    trials = read_checked_trials(folder, settings).to_list()
    assert [trial.number for trial in trials] == list(range(len(trials)))
    assert 0 < len(trials) <= settings.trials
    assert all(trial.history for trial in trials if trial.ending in ("finished", "stopped"))


def test_their_faces_are_those_that_the_recorded_options_read(real_faces: Path) -> None:
    for name in NAMES:
        _, settings = read_settings(STUDIES, name)
        splits = load_splits(real_faces, settings.read_options)
        assert splits.content_hash() == settings.faces_hash, name
