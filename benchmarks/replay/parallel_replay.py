"""Replay of all studies of a comparison, in several processes."""

import json
import subprocess
import tempfile
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import as_completed
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import optuna

from benchmarks.processes import start_process_pool
from benchmarks.replay.curve_predictor import CurvePredictor, load_curve_table
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
    """Plan of a replay.

    table: file of the learning curves.
    space: name or file of the table's search space.
    epochs: epochs of each study, over all its trials.
    seeds: number of studies of each system.
    syne_tune_python: a Python with Syne Tune; None to leave it out.
    """

    table: Path
    space: str
    epochs: int
    seeds: int
    syne_tune_python: Path | None


def load_curves(plan: ReplayPlan) -> CurvePredictor:
    """Load the plan's table, once a process. Raises UserError if it is invalid."""
    return _load_once(plan.table, plan.space)


@cache
def _load_once(path: Path, space: str) -> CurvePredictor:
    return load_curve_table(path, load_space(find_space_file(space)))


def list_systems(plan: ReplayPlan) -> list[str]:
    """Return the names of all systems that can be compared."""
    return [*SYSTEMS, *(SYNE_TUNE if plan.syne_tune_python else ())]


def list_default_systems(plan: ReplayPlan) -> list[str]:
    """Return the systems of a comparison by default: all except CQR, which takes hours."""
    return [name for name in list_systems(plan) if name != "Syne Tune CQR"]


def replay_systems(
    plan: ReplayPlan,
    systems: Sequence[str],
    workers: Sequence[int],
    processes: int,
    report_progress: Callable[[str], None],
) -> Runs:
    """Replay each system with each number of workers and each seed."""
    if unknown := [name for name in systems if name not in list_systems(plan)]:
        raise UserError(f"no system {unknown[0]}; choose from: {', '.join(list_systems(plan))}")
    studies = {}
    with start_process_pool(processes) as pool:
        # The slowest systems first, so that no long job runs alone at the end.
        jobs = {
            pool.submit(_replay_system, plan, name, count): (name, count)
            for name in sorted(systems, key=list(reversed(list_systems(plan))).index)
            for count in workers
        }
        for done, job in enumerate(as_completed(jobs), start=1):
            name, count = jobs[job]
            studies[name, count] = job.result()
            report_progress(f"{done} of {len(jobs)}: {name}, workers: {count}")
    return {(name, count): studies[name, count] for name in systems for count in workers}


def _replay_system(plan: ReplayPlan, name: str, workers: int) -> list[ReplayedStudy]:
    run = _run_syne_tune if name in SYNE_TUNE else _simulate_studies
    return [
        summarize_study((name, workers, seed), plan.epochs, epochs)
        for seed, epochs in enumerate(run(plan, name, workers))
    ]


def _simulate_studies(plan: ReplayPlan, name: str, workers: int) -> list[list[SimulatedEpoch]]:
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    table = load_curves(plan)
    pairs = (SYSTEMS[name](table, seed) for seed in range(plan.seeds))
    return [
        StudySimulator(*pair, table.predict_curve, workers).simulate_epochs(plan.epochs)
        for pair in pairs
    ]


def _run_syne_tune(plan: ReplayPlan, name: str, workers: int) -> list[list[SimulatedEpoch]]:
    table = load_curves(plan)
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
        result = subprocess.run([*map(str, command)], cwd=ROOT, capture_output=True)
    if result.returncode:
        raise RuntimeError(f"{name}: {result.stderr.decode()[-3000:]}")
    lines = map(json.loads, result.stdout.splitlines())
    return [[SimulatedEpoch(*epoch) for epoch in line] for line in lines]
