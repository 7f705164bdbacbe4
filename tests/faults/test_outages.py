"""A tracking server that goes away, comes back or does not, and the record that must be whole."""

import math
import random
import signal
import sqlite3
import time
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from ray import tune

from fer_tune.common.atomic import write_file
from fer_tune.common.disk_or_bucket import DiskDirectory
from fer_tune.data.faces import EMOTIONS
from fer_tune.scoring.metrics import EpochResult, Scores, build_epoch_metrics
from fer_tune.study.records.event_log import FILE, EventLog, EventLogReader, read_trials
from fer_tune.study.records.study_storage import StudyStorage
from fer_tune.study.records.trial_record import TrialRecord, TrialRecords
from fer_tune.study.search_space.load_space import find_space_file, load_space
from fer_tune.study.tune.failure import TrialFailure
from fer_tune.study.tune.ray_session import open_ray_session
from fer_tune.study.tune.resources import (
    ResourceRequest,
    RunResources,
    allocate_resources,
    detect_machine,
)
from fer_tune.study.tune.shared_data import SharedStudyData
from fer_tune.study.tune.trainable import TrialOptions, report_epoch
from fer_tune.study.tune.tuner import run_study
from fer_tune.tracking.background_writer import BackgroundWriter
from fer_tune.tracking.mlflow_metric_names import to_epoch_metrics
from fer_tune.tracking.store import open_store
from fer_tune.tracking.study_and_retrain_info import StudyInfo
from tests.faults.server import PATIENCE, TrackingServer, tracking_server
from tests.faults.studies import SMALL, Running, require_recorded, require_whole, wait_until_gone
from tests.settings import make_settings
from tests.waiting import wait_until

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]

OUTAGES = 10
STORAGE = Path("mlruns/studies")
SETTINGS = make_settings(
    "outages", "paper", load_space(find_space_file("paper")), trials=60, epochs=12, grace=6
)
DESCRIPTION = StudyInfo(
    name=SETTINGS.name,
    space=SETTINGS.space.to_yaml(),
    command="pytest",
    classes=EMOTIONS,
    source="no faces",
    faces_hash="0",
    protocol="nothing is trained",
    seed=0,
    settings={"epochs": SETTINGS.epochs},
)

Train = Callable[[dict[str, Any], SharedStudyData, TrialOptions], None]


@dataclass(frozen=True)
class _Pace:
    """How far a study may go by now, so that however fast it is, it is not over too soon.

    journal: of the study.
    allowed: a file with the number of lines that the journal may have.
    """

    journal: Path
    allowed: Path

    def lines(self) -> int:
        return self.journal.read_bytes().count(b"\n")

    def allow(self, lines: float) -> None:
        write_file(self.allowed, str(lines).encode())

    def require_more(self) -> None:
        """Fails where the study does not go on; it then may for a while."""
        before = self.lines()
        self.allow(before + 20)
        wait_until(lambda: self.lines() >= before + 3, "more is in the journal", PATIENCE)

    def wait(self) -> None:
        """A while, and until it may go on; where all is allowed, not at all."""
        if float(self.allowed.read_text()) < math.inf:
            time.sleep(0.3)
            wait_until(lambda: self.lines() < float(self.allowed.read_text()), "leave", 300)


def _steady(pace: _Pace) -> Train:
    """Trains nothing."""

    def train(config: dict[str, Any], faces: SharedStudyData, options: TrialOptions) -> None:  # noqa: ARG001
        draw = np.random.default_rng(config["number"])
        for epoch in range(1, options.epochs + 1):
            pace.wait()
            if config["number"] % 7 == 3 and epoch == 5:
                told = TrialFailure("error", "Traceback ...\nFloatingPointError: made to fail")
                tune.report({options.metric: math.nan, "epoch": 0, "failure": told})
                return
            confusion = draw.integers(0, 100, (len(EMOTIONS), len(EMOTIONS)))
            scores = Scores(float(draw.random()), confusion)
            metrics = build_epoch_metrics(scores, scores, EMOTIONS)
            report_epoch(EpochResult(epoch, metrics, confusion.tolist(), 0.3), options.metric)

    return train


def _break(server: TrackingServer, pace: _Pace, chance: random.Random) -> Counter[str]:
    """Take the server away again and again, at random moments; returns how often in which way.

    Fails where the study does not go on while the server is away.
    """
    caused = Counter[str]()
    for outage in range(OUTAGES):
        way = ("killed", "frozen", "frozen, then killed")[outage % 3]
        time.sleep(chance.uniform(0, 3))
        if way == "killed":
            server.kill()
        else:
            server.freeze()
        pace.require_more()
        time.sleep(chance.uniform(0, 3))
        if way == "frozen":
            server.thaw()
        else:
            server.kill()
            server.start()
        caused[way] += 1
    return caused


def _require_each_metric_once(server: TrackingServer, trials: list[TrialRecord]) -> int:
    """MLflow has what the journal has of each epoch, exactly once; returns how many values."""
    of_trials = """
        SELECT CAST(tags.value AS INTEGER), metrics.key, metrics.step, metrics.value
        FROM metrics JOIN runs USING (run_uuid) JOIN tags USING (run_uuid)
        WHERE runs.lifecycle_stage = 'active' AND tags.key = 'fer_tune.trial'
    """
    with closing(sqlite3.connect(server.database)) as connection:
        rows = connection.execute(of_trials).fetchall()
    found = {row[:3]: row[3] for row in rows}
    assert len(found) == len(rows)
    told = {
        (trial.number, name, result.epoch): value
        for trial in trials
        for result in trial.history
        for name, value in to_epoch_metrics(result).items()
    }
    assert {which: value for which, value in found.items() if "best/" not in which[1]} == told
    return len(rows)


def test_a_server_that_goes_away_ten_times_holds_up_nothing_and_misses_nothing(
    tmp_path: Path, chance: random.Random, monkeypatch: pytest.MonkeyPatch
) -> None:
    # So that a frozen server has answers that come too late.
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_TIMEOUT", "2")
    folder = StudyStorage(str(tmp_path / STORAGE)).write_settings(SETTINGS)
    pace = _Pace(folder / FILE, tmp_path / "allowed")
    pace.allow(20)
    request = ResourceRequest(concurrent=2)
    resources = allocate_resources([detect_machine()], SETTINGS.trials, request)
    place = RunResources(folder, DiskDirectory(folder), resources, resources.concurrent)
    with tracking_server(tmp_path / "server") as server, open_ray_session(None):
        store = open_store(server.uri)
        with (
            BackgroundWriter(store, DESCRIPTION, EventLogReader(folder)) as writer,
            closing(EventLog(folder)) as journal,
            ThreadPoolExecutor(1) as beside,
        ):
            broken = beside.submit(_break, server, pace, chance)
            broken.add_done_callback(lambda _: pace.allow(math.inf))
            records = TrialRecords()
            run_study(SETTINGS, {}, place, records, [journal, writer], _steady(pace))
            print(broken.result())
            assert writer.close("finished") is None
        assert {trial.ending for trial in records.to_list()} == {"finished", "stopped", "failed"}
        require_recorded(server.uri, SETTINGS.name, read_trials(folder))
        print(_require_each_metric_once(server, read_trials(folder)), "values")


def _wait_for_another_epoch(study: Running, folder: Path) -> None:
    def epochs() -> int:
        assert study.process.poll() is None, study.ended()
        return sum(len(each.history) for each in read_trials(folder))

    before = epochs()
    wait_until(lambda: epochs() > before, "another epoch", PATIENCE)


def test_what_a_server_that_went_for_good_missed_is_sent_by_one_command(tmp_path: Path) -> None:
    name, folder = "demo-gone", tmp_path / STORAGE / "demo-gone"
    with tracking_server(tmp_path / "server") as server:
        options = ["--trials", "3", "--epochs", "4", "--tracking-uri", server.uri]
        study = Running(["fer_tune.search", *SMALL, "--study", name, *options], tmp_path)
        _wait_for_another_epoch(study, folder)
        server.kill()
        assert study.ended() == 0, study.output
        assert "records are missing there (it does not answer as it should)" in " ".join(
            study.output.split()
        )
        assert f"fer_tune.search --resume {name}" in study.output
        trials = require_whole(tmp_path / STORAGE, name)

        server.start()
        before = (folder / FILE).read_bytes()
        again = Running(["fer_tune.search", "--resume", name], tmp_path, "again")
        assert again.ended() == 0, again.output
        assert "missing" not in again.output
        assert (folder / FILE).read_bytes() == before
        require_recorded(server.uri, name, trials)
        _require_each_metric_once(server, trials)


def test_a_study_stopped_while_its_server_hangs_ends_and_goes_on_in_the_same_runs(
    tmp_path: Path,
) -> None:
    name, folder = "demo-hung", tmp_path / STORAGE / "demo-hung"
    with tracking_server(tmp_path / "server") as server:
        options = ["--trials", "2", "--epochs", "12", "--grace", "12", "--tracking-uri", server.uri]
        study = Running(["fer_tune.search", *SMALL, "--study", name, *options], tmp_path)
        _wait_for_another_epoch(study, folder)
        server.freeze()
        _wait_for_another_epoch(study, folder)
        study.process.send_signal(signal.SIGINT)
        assert study.ended() == 130, study.output
        assert "records are missing there" in study.output
        wait_until_gone(study.process.pid)

        server.thaw()
        again = Running(["fer_tune.search", "--resume", name], tmp_path, "again")
        assert again.ended() == 0, again.output
        trials = require_whole(tmp_path / STORAGE, name)
        require_recorded(server.uri, name, trials)
        _require_each_metric_once(server, trials)
