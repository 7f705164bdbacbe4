"""Replay of all studies of a comparison, in several processes."""

import hashlib
import json
import subprocess
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import cache
from itertools import product
from pathlib import Path

import optuna
import torch

from benchmarks.replay.curve_predictor import CurvePredictor, load_curve_table
from benchmarks.replay.replay_statistics import ReplayedStudy, summarize_study
from benchmarks.replay.search_methods import SYSTEMS
from benchmarks.replay.study_simulator import SimulatedEpoch, StudySimulator
from benchmarks.replay.syne_tune_studies import SYSTEMS as SYNE_TUNE
from benchmarks.resumable_runs import Line, read_lines, run_in_pool_and_append
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
    seeds: of the studies of each system.
    syne_tune_python: a Python with Syne Tune; None to leave it out.
    """

    table: Path
    space: str
    epochs: int
    seeds: range
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
    out: Path,
    report_progress: Callable[[str], None],
) -> Runs:
    """Replay each system with each number of workers and each seed.

    out: JSON lines, one for a study. What the file has is not replayed again.

    Raises UserError for an unknown system.
    """
    if unknown := [name for name in systems if name not in list_systems(plan)]:
        raise UserError(f"no system {unknown[0]}; choose from: {', '.join(list_systems(plan))}")
    # The slowest systems first, so that no long study runs alone at the end.
    names = sorted(systems, key=list(reversed(list_systems(plan))).index)
    studies = list(product(names, workers, plan.seeds))
    done = _read_studies(plan, out)
    missing = [(plan, *study) for study in studies if study not in done]

    def report_study(count: int, line: Line) -> None:
        study = f"{line['system']}, workers: {line['workers']}, seed {line['seed']}"
        report_progress(f"{count} of {len(missing)}: {study}")

    run_in_pool_and_append(out, replay_study, missing, processes, report_study)
    done = _read_studies(plan, out)
    return {
        (name, count): [done[name, count, seed] for seed in plan.seeds]
        for name in systems
        for count in workers
    }


def _read_studies(plan: ReplayPlan, file: Path) -> dict[tuple[str, int, int], ReplayedStudy]:
    """Return the file's studies of this plan, by system, workers and seed."""
    lines = read_lines(file, epochs=plan.epochs, table=_hash_table(plan.table))
    studies = map(ReplayedStudy.from_line, lines)
    return {(study.system, study.workers, study.seed): study for study in studies}


@cache
def _hash_table(path: Path) -> str:
    """Return a hash of the table's file."""
    return hashlib.sha256(path.read_bytes()).hexdigest()[:16]


def replay_study(plan: ReplayPlan, name: str, workers: int, seed: int) -> Line:
    """Replay a study of a system, and return its line."""
    run = _run_syne_tune if name in SYNE_TUNE else _simulate_study
    epochs = run(plan, name, workers, seed)
    study = summarize_study((name, workers, seed), plan.epochs, epochs)
    return {"table": _hash_table(plan.table)} | asdict(study)


def _simulate_study(plan: ReplayPlan, name: str, workers: int, seed: int) -> list[SimulatedEpoch]:
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    torch.set_num_threads(1)
    table = load_curves(plan)
    pair = SYSTEMS[name](table, seed)
    return StudySimulator(*pair, table.predict_curve, workers).simulate_epochs(plan.epochs)


def _run_syne_tune(plan: ReplayPlan, name: str, workers: int, seed: int) -> list[SimulatedEpoch]:
    table = load_curves(plan)
    task = {
        "parameters": table.parameters,
        "configs": table.configs,
        "scores": table.scores.tolist(),
        "seconds": table.seconds.tolist(),
        "length": table.epochs,
        "epochs": plan.epochs,
        "workers": workers,
        "seed": seed,
    }
    with tempfile.TemporaryDirectory() as folder:
        (path := Path(folder) / "task.json").write_text(json.dumps(task))
        command = [plan.syne_tune_python, "-m", "benchmarks.replay.syne_tune_studies", name, path]
        result = subprocess.run([*map(str, command)], cwd=ROOT, capture_output=True)
    if result.returncode:
        raise RuntimeError(f"{name}: {result.stderr.decode()[-3000:]}")
    return [SimulatedEpoch(*epoch) for epoch in json.loads(result.stdout)]
