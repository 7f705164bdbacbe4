"""Studies as their users run them, broken on purpose, and what must be true of them afterwards."""

import os
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from fer_tune.events import RESUMABLE_ENDINGS, EpochEnded, TrialEnded, TrialStarted
from fer_tune.study.ranking import rank_trials
from fer_tune.study.records.event_log import read_events, read_trials
from fer_tune.study.records.settings import read_settings
from fer_tune.study.records.trial_record import TrialRecord
from fer_tune.study.tune.ray_scheduler import StudyScheduler
from fer_tune.tracking.choose_trial import choose_trial
from fer_tune.tracking.find_study_run import find_parent_run
from fer_tune.tracking.queries import find_study, list_trial_runs
from fer_tune.tracking.store import open_store

SMALL = ["--space", "smoke", "--train-faces", "300"]
STATUS = {"finished": "FINISHED", "stopped": "FINISHED", "failed": "FAILED"}


@dataclass
class Running:
    """A command of this project, in a session of its own, whose number is the process's.

    name: of the file that takes what it shows.
    """

    arguments: Sequence[str]
    folder: Path
    name: str = "command"
    environment: Mapping[str, str] = field(default_factory=dict)
    output: str = ""

    def __post_init__(self) -> None:
        own = {"FER_TUNE_CACHE": str(self.folder / "cache")}
        self._shown = (self.folder / f"{self.name}.txt").open("w+")
        self.process = subprocess.Popen(
            [sys.executable, "-m", *self.arguments],
            cwd=self.folder,
            env={**os.environ, **own, **self.environment},
            stdout=self._shown,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )

    def ended(self, patience: float = 600) -> int:
        """The exit code, once it has ended by itself; `output` is then what it has shown."""
        code = self.process.wait(patience)
        self._shown.seek(0)
        self.output = self._shown.read()
        self._shown.close()
        return code

    def kill(self, *, group: bool) -> None:
        """kill -9, of the command alone or of its process group."""
        if group:
            os.killpg(self.process.pid, signal.SIGKILL)
        else:
            self.process.kill()
        self.process.wait()
        self._shown.close()


def processes_of(session: int) -> dict[int, str]:
    """What a command has started, however far it is from it now: titles by process.

    Linux only. Ray's processes leave the command's process group, but not its session.
    """
    found = {}
    for folder in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):  # it ended meanwhile
            title = (folder / "cmdline").read_bytes()  # of a zombie, empty
            if title and os.getsid(int(folder.name)) == session:
                found[int(folder.name)] = title.decode(errors="replace").replace("\0", " ")
    return found


def wait_until_gone(session: int, patience: float = 240) -> None:
    """Fails where processes of a command outlive it for long.

    After a kill, Ray's agents first try to tell their server, which is gone, for a minute or two.
    """
    until = time.monotonic() + patience
    while left := processes_of(session):
        assert time.monotonic() < until, f"still there: {left}"
        time.sleep(0.2)


def require_whole(storage: Path, name: str) -> list[TrialRecord]:
    """What holds for a study that is over, whatever happened to it on the way; its trials."""
    folder, settings = read_settings(storage, name)
    trials = read_trials(folder)
    assert [trial.number for trial in trials] == list(range(settings.trials))
    assert all(trial.has_final_status for trial in trials)
    _require_one_course(folder)
    for trial in trials:
        assert [each.epoch for each in trial.history] == list(range(1, len(trial.history) + 1))
        assert (trial.ending == "finished") == (len(trial.history) == settings.epochs)
    # The scheduler, asked again in the order of the journal, stops the same trials, beside those
    # that were paused until the end.
    scheduler = StudyScheduler(settings)
    for event in read_events(folder):
        stopped = isinstance(event, TrialEnded) and event.ending == "stopped"
        if not stopped or event.number in scheduler.asha.paused:
            scheduler.replay_event(event)
    assert scheduler.pruned == {each.number for each in trials if each.ending == "stopped"}
    return trials


def _require_one_course(folder: Path) -> None:
    """No trial is proposed twice, no epoch told twice, and nothing happens to what is over."""
    configs: dict[int, object] = {}
    epochs, over = Counter[tuple[int, int]](), set()
    for event in read_events(folder):
        assert event.number not in over
        if isinstance(event, TrialStarted):
            assert configs.setdefault(event.number, event.config) == event.config
        elif isinstance(event, EpochEnded):
            epochs[event.number, event.result.epoch] += 1
        elif isinstance(event, TrialEnded) and event.ending not in RESUMABLE_ENDINGS:
            over.add(event.number)
    assert max(epochs.values()) == 1
    assert len(set(configs.values())) == len(configs)


def require_recorded(uri: str, name: str, trials: Sequence[TrialRecord]) -> None:
    """MLflow has each trial once, each epoch of it once, and nothing that still runs."""
    store = open_store(uri)
    client, parent = store.client, find_parent_run(store, name)
    assert parent is not None
    assert parent.info.status == "FINISHED"
    runs = list_trial_runs(store, parent.info.run_id)
    assert len(runs) == len(trials)
    by_number = {int(run.data.tags["fer_tune.trial"]): run for run in runs}
    for trial in trials:
        run = by_number[trial.number]
        assert run.info.status == STATUS[str(trial.ending)]
        told = {each.epoch: each.metrics for each in trial.history}
        for metric in ("val/macro_f1", "val/loss", "gap"):
            history = client.get_metric_history(run.info.run_id, metric)
            assert [each.step for each in history] == list(told)
            assert [each.value for each in history] == [told[step][metric] for step in told]
    best = choose_trial(store, find_study(store, name))
    assert best.number == rank_trials(trials, "val/macro_f1")[0].number


def require_tidy(storage: Path, name: str, best: int) -> None:
    """Of the checkpoints the best trial's is left, of Ray's files none, and nothing in parts."""
    assert not list((storage / name).rglob("*.part"))
    kept = sorted(path.name for path in (storage / name / "checkpoints").iterdir())
    assert kept == [f"trial-{best:06d}"]
    there = {path.name for path in (storage / name).iterdir()}
    assert there <= {
        "checkpoints",
        "journal.jsonl",
        "study.json",
        "report.html",
        "optuna.log",
        ".lock",
    }
