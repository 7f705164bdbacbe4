"""A driver and workers killed at random moments, and the study that must come out whole."""

import os
import random
import signal
import time
from pathlib import Path

import pytest

from fer_tune.study.ranking import rank_trials
from fer_tune.study.records.event_log import read_events, read_trials
from fer_tune.study.records.trial_record import TrialRecord
from tests.faults.studies import (
    SMALL,
    Running,
    processes_of,
    require_recorded,
    require_tidy,
    require_whole,
    wait_until_gone,
)
from tests.waiting import wait_until

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]

STORAGE = Path("mlruns/studies")
KILLS = 20


def _best(trials: list[TrialRecord]) -> int:
    """The first of those with the best score, which is the one kept."""
    return rank_trials(trials, "val/macro_f1")[0].number


@pytest.mark.parametrize("scheduler", ["asha", "asha-promotion"])
def test_a_study_whose_driver_is_killed_twenty_times_ends_as_its_records_say(
    tmp_path: Path, chance: random.Random, scheduler: str
) -> None:
    name, storage = "demo-killed", tmp_path / STORAGE
    length = ["--epochs", "9", "--grace", "1", "--scheduler", scheduler]
    begin = ["--study", name, *SMALL, *length]
    killed: list[int] = []
    trials = 12

    def is_there() -> bool:
        return (storage / name / "study.json").exists()

    while len(killed) < KILLS:
        begun = ["--resume", name] if is_there() else begin
        arguments = [*begun, "--trials", str(trials)]
        study = Running(["fer_tune.search", *arguments], tmp_path)
        # From before the study is there to well into its trials. On a slow machine, the study might
        # never be there, so half of the kills wait for it.
        if len(killed) % 4 >= 2:
            wait_until(is_there, "the study has begun")
            time.sleep(chance.uniform(0, 10))
        else:
            time.sleep(chance.uniform(1, 16))
        if study.process.poll() is not None:  # it was over sooner: now it is to have more trials
            assert study.ended() == 0, study.output
            trials += 4
        else:
            study.kill(group=bool(len(killed) % 2))
            killed.append(study.process.pid)
    last = Running(["fer_tune.search", "--resume", name, "--trials", str(trials)], tmp_path)
    assert last.ended() == 0, last.output
    done = require_whole(storage, name)
    assert len(done) == trials
    require_recorded(str(tmp_path / "mlruns"), name, done)
    require_tidy(storage, name, _best(done))
    for session in [*killed, last.process.pid]:
        wait_until_gone(session)


def test_trials_whose_workers_are_killed_go_on_and_fail_only_at_the_fourth_death(
    tmp_path: Path, chance: random.Random
) -> None:
    name, storage = "demo-workers", tmp_path / STORAGE
    begin = ["--study", name, *SMALL, "--epochs", "60", "--grace", "60"]
    number = 10
    study = Running(["fer_tune.search", *begin, "--trials", str(number)], tmp_path)
    killed = 0
    while killed < KILLS:
        time.sleep(chance.uniform(0.5, 3))
        if study.process.poll() is not None:  # it was over sooner: now it is to have more trials
            assert study.ended() == 0, study.output
            number += 4
            more = ["--resume", name, "--trials", str(number)]
            study = Running(["fer_tune.search", *more], tmp_path)
        there = processes_of(study.process.pid)
        workers = [pid for pid, title in there.items() if "ImplicitFunc.train" in title]
        if workers and any(trial.history for trial in read_trials(storage / name)):
            os.kill(chance.choice(workers), signal.SIGKILL)
            killed += 1
    assert study.ended() == 0, study.output
    trials = require_whole(storage, name)
    assert len(trials) == number
    deaths = dict.fromkeys(range(number), 0)
    for event in read_events(storage / name):
        if event.kind == "remarked" and "its worker died" in event.remark:
            deaths[event.number] += 1
        if event.kind == "ended" and event.ending == "failed":
            deaths[event.number] += 1
    assert sum(deaths.values()) >= KILLS
    for trial in trials:
        assert (trial.ending == "failed") == (deaths[trial.number] == 4)
    require_recorded(str(tmp_path / "mlruns"), name, trials)
    wait_until_gone(study.process.pid)
