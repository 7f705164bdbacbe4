"""All the studies of a benchmark, replayed by several processes."""

import json
import subprocess
import tempfile
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import as_completed
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import optuna

from benchmarks.processes import several_processes
from benchmarks.replay.curve_table import Table, read_table
from benchmarks.replay.replay_statistics import Run, run_of
from benchmarks.replay.search_methods import SYSTEMS
from benchmarks.replay.study_simulator import Clock, Ended
from benchmarks.replay.syne_tune_studies import SYSTEMS as SYNE_TUNE
from fer_tune.common.errors import UserError
from fer_tune.study.search_space.space import find_space_file, load_space

ROOT = Path(__file__).parents[2]

Runs = Mapping[tuple[str, int], Sequence[Run]]  # by system and workers


@dataclass(frozen=True)
class Plan:
    """What is replayed.

    table, space: the file of the table, and the space's name or file.
    epochs: that each study is let run.
    seeds: how many studies of each system.
    syne_tune: a Python that has it; None where there is none.
    """

    table: Path
    space: str
    epochs: int
    seeds: int
    syne_tune: Path | None


def read(plan: Plan) -> Table:
    """The table. Raises UserError where it cannot be used."""
    return _read(plan.table, plan.space)


@cache
def _read(table: Path, space: str) -> Table:
    return read_table(table, load_space(find_space_file(space)))


def known(plan: Plan) -> list[str]:
    """The systems that can be compared. CQR takes hours: it is replayed where it is asked for."""
    return [*SYSTEMS, *(SYNE_TUNE if plan.syne_tune else ())]


def usual(plan: Plan) -> list[str]:
    """Those that are compared where nothing else is asked for."""
    return [name for name in known(plan) if name != "Syne Tune CQR"]


def replay_all(
    plan: Plan,
    systems: Sequence[str],
    workers: Sequence[int],
    processes: int,
    say: Callable[[str], None],
) -> Runs:
    """Every system with each number of workers and every seed."""
    if unknown := [name for name in systems if name not in known(plan)]:
        raise UserError(f"no system {unknown[0]}; there are: {', '.join(known(plan))}")
    found = {}
    with several_processes(processes) as pool:
        # The slowest first, so that none is left alone in the end.
        jobs = {
            pool.submit(_replay, plan, name, count): (name, count)
            for name in sorted(systems, key=list(reversed(known(plan))).index)
            for count in workers
        }
        for done, job in enumerate(as_completed(jobs), start=1):
            found[jobs[job]] = job.result()
            name, count = jobs[job]
            say(f"{done} of {len(jobs)}: {name}, {count} workers")
    ordered: dict[tuple[str, int], Sequence[Run]] = defaultdict(list)
    for name in systems:
        for count in workers:
            ordered[name, count] = found[name, count]
    return ordered


def _replay(plan: Plan, name: str, workers: int) -> list[Run]:
    studies = _by_syne_tune if name in SYNE_TUNE else _by_ray
    return [
        run_of((name, workers, seed), plan.epochs, ended)
        for seed, ended in enumerate(studies(plan, name, workers))
    ]


def _by_ray(plan: Plan, name: str, workers: int) -> list[list[Ended]]:
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    table = read(plan)
    parts = (SYSTEMS[name](table, seed) for seed in range(plan.seeds))
    return [Clock(search, judge, table.answer, workers).run(plan.epochs) for search, judge in parts]


def _by_syne_tune(plan: Plan, name: str, workers: int) -> list[list[Ended]]:
    table = read(plan)
    task = {
        "parameters": table.parameters,
        "configs": table.configs,
        "scores": table.scores.tolist(),
        "seconds": table.seconds.tolist(),
        "length": table.epochs,
        "epochs": plan.epochs,
        "workers": workers,
        "studies": plan.seeds,
    }
    with tempfile.TemporaryDirectory() as folder:
        (path := Path(folder) / "task.json").write_text(json.dumps(task))
        command = [plan.syne_tune, "-m", "benchmarks.replay.syne_tune_studies", name, path]
        done = subprocess.run([str(each) for each in command], cwd=ROOT, capture_output=True)
    if done.returncode:
        raise RuntimeError(f"{name}: {done.stderr.decode()[-3000:]}")
    return [[Ended(*each) for each in json.loads(line)] for line in done.stdout.splitlines()]
