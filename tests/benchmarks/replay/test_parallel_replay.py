import json
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict
from pathlib import Path

import pytest

from benchmarks import resumable_runs
from benchmarks.replay.curve_predictor import CurvePredictor
from benchmarks.replay.parallel_replay import ReplayPlan, replay_systems
from benchmarks.replay.replay_statistics import ReplayedStudy
from fer_tune.common.errors import UserError
from tests.benchmarks.replay.conftest import SPACE


@pytest.fixture
def plan(tmp_path: Path, table: CurvePredictor, monkeypatch: pytest.MonkeyPatch) -> ReplayPlan:
    """Return a plan for two seeds; its studies run in a thread, which starts sooner."""
    monkeypatch.setattr(resumable_runs, "start_process_pool", ThreadPoolExecutor)
    (space := tmp_path / "space.yaml").write_text(SPACE)
    return ReplayPlan(tmp_path / "table.jsonl", str(space), 5 * table.epochs, range(5, 7), None)


def test_a_replay_goes_on_with_the_studies_that_its_file_lacks(
    tmp_path: Path, plan: ReplayPlan
) -> None:
    out, progress = tmp_path / "studies.jsonl", list[str]()
    first = replay_systems(plan, ["random"], [2], 1, out, progress.append)
    assert [study.seed for study in first["random", 2]] == [5, 6]
    assert progress == ["1 of 2: random, workers: 2, seed 5", "2 of 2: random, workers: 2, seed 6"]
    # A stop lost the last line, and another replay has left one.
    kept = out.read_text().splitlines()[0]
    out.write_text(kept + "\n" + kept.replace('"epochs": 20', '"epochs": 30') + "\n")
    progress.clear()
    assert replay_systems(plan, ["random"], [2], 1, out, progress.append) == first
    assert progress == ["1 of 1: random, workers: 2, seed 6"]


def test_studies_on_another_table_are_not_used(tmp_path: Path, plan: ReplayPlan) -> None:
    out, progress = tmp_path / "studies.jsonl", list[str]()
    line = asdict(ReplayedStudy("random", 2, 5, 20, ((1, 1.0, 0.9),)))
    out.write_text(json.dumps(line | {"table": "other"}) + "\n")
    studies = replay_systems(plan, ["random"], [2], 1, out, progress.append)
    assert max(gain[2] for gain in studies["random", 2][0].gains) < 0.9


def test_an_unknown_system_is_refused_with_those_that_exist(
    tmp_path: Path, plan: ReplayPlan
) -> None:
    with pytest.raises(UserError, match="no system guess; choose from: random, random"):
        replay_systems(plan, ["guess"], [1], 1, tmp_path / "studies.jsonl", print)
