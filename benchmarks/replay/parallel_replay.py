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

from benchmarks.processes import start_process_pool
from benchmarks.replay.curve_table import CurveTable, load_curve_table
from benchmarks.replay.replay_statistics import ReplayedStudy, summarize_study
from benchmarks.replay.search_methods import SYSTEMS
from benchmarks.replay.study_simulator import SimulatedEpoch, StudySimulator
from benchmarks.replay.syne_tune_studies import SYSTEMS as SYNE_TUNE
from fer_tune.common.errors import UserError
from fer_tune.study.search_space.load_space import find_space_file, load_space

ROOT = Path(__file__).parents[2]

Runs = Mapping[tuple[str, int], Sequence[ReplayedStudy]]  # by system and workers


@dataclass(frozen=True)
class ReplayPlan:
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
    syne_tune_python: Path | None


def load_plan_curves(plan: ReplayPlan) -> CurveTable:
    """The table. Raises UserError where it cannot be used."""
    return _load_once(plan.table, plan.space)


@cache
def _load_once(path: Path, space: str) -> CurveTable:
    return load_curve_table(path, load_space(find_space_file(space)))


def list_systems(plan: ReplayPlan) -> list[str]:
    """The systems that can be compared. CQR takes hours: it is replayed where it is asked for."""
    return [*SYSTEMS, *(SYNE_TUNE if plan.syne_tune_python else ())]


def list_default_systems(plan: ReplayPlan) -> list[str]:
    """Those that are compared where nothing else is asked for."""
    return [name for name in list_systems(plan) if name != "Syne Tune CQR"]


def replay_systems(
    plan: ReplayPlan,
    systems: Sequence[str],
    workers: Sequence[int],
    processes: int,
    report_progress: Callable[[str], None],
) -> Runs:
    """Every system with each number of workers and every seed."""
    if unknown := [name for name in systems if name not in list_systems(plan)]:
        raise UserError(f"no system {unknown[0]}; there are: {', '.join(list_systems(plan))}")
    found = {}
    with start_process_pool(processes) as pool:
        # The slowest first, so that none is left alone in the end.
        jobs = {
            pool.submit(_replay_system, plan, name, count): (name, count)
            for name in sorted(systems, key=list(reversed(list_systems(plan))).index)
            for count in workers
        }
        for done, job in enumerate(as_completed(jobs), start=1):
            found[jobs[job]] = job.result()
            name, count = jobs[job]
            report_progress(f"{done} of {len(jobs)}: {name}, {count} workers")
    ordered: dict[tuple[str, int], Sequence[ReplayedStudy]] = defaultdict(list)
    for name in systems:
        for count in workers:
            ordered[name, count] = found[name, count]
    return ordered


def _replay_system(plan: ReplayPlan, name: str, workers: int) -> list[ReplayedStudy]:
    studies = _run_syne_tune if name in SYNE_TUNE else _simulate_studies
    return [
        summarize_study((name, workers, seed), plan.epochs, ended)
        for seed, ended in enumerate(studies(plan, name, workers))
    ]


def _simulate_studies(plan: ReplayPlan, name: str, workers: int) -> list[list[SimulatedEpoch]]:
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    table = load_plan_curves(plan)
    parts = (SYSTEMS[name](table, seed) for seed in range(plan.seeds))
    return [
        StudySimulator(search, judge, table.predict_curve, workers).simulate_epochs(plan.epochs)
        for search, judge in parts
    ]


def _run_syne_tune(plan: ReplayPlan, name: str, workers: int) -> list[list[SimulatedEpoch]]:
    table = load_plan_curves(plan)
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
        command = [plan.syne_tune_python, "-m", "benchmarks.replay.syne_tune_studies", name, path]
        done = subprocess.run([str(each) for each in command], cwd=ROOT, capture_output=True)
    if done.returncode:
        raise RuntimeError(f"{name}: {done.stderr.decode()[-3000:]}")
    return [
        [SimulatedEpoch(*each) for each in json.loads(line)] for line in done.stdout.splitlines()
    ]
