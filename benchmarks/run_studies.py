"""Studies that are run by their command lines, fer_tune's and the reference, and their times."""

import json
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import mean

from benchmarks.benchmark_types import BenchmarkSetup
from benchmarks.processes import run_and_time
from fer_tune.study.records.event_log import read_trials

ROOT = Path(__file__).parents[1]
CONCURRENT = 2  # trials at once, each with one core
GRACE, REDUCTION = 1, 2  # as in Ray's guide for PyTorch


@dataclass(frozen=True)
class StudySize:
    """Size of a study.

    grace: epochs before ASHA may prune a trial; with `epochs`, it prunes none.
    """

    trials: int
    epochs: int
    faces: int
    grace: int = GRACE


@dataclass(frozen=True)
class StudyTimes:
    """Times of a study.

    wall_seconds: from the start of the command to its end.
    epoch_seconds: of every epoch of every trial.
    faces_trained: in all epochs together.
    """

    wall_seconds: float
    epoch_seconds: Sequence[float]
    faces_trained: int

    @property
    def faces_per_second(self) -> float:
        return self.faces_trained / self.wall_seconds

    def to_details(self) -> dict[str, float]:
        return {
            "wall_s": self.wall_seconds,
            "epochs": len(self.epoch_seconds),
            "epoch_s": mean(self.epoch_seconds),
            "faces_a_second": self.faces_per_second,
        }


def run_our_study(
    setup: BenchmarkSetup, size: StudySize, out: Path, plan_faces: Mapping[str, int]
) -> StudyTimes:
    """Run fer_tune's study of `space.yaml` in the benchmark's folder.

    out: a new folder for its records.
    plan_faces: faces of an epoch, by data plan.
    """
    asha = ["--grace", str(size.grace), "--reduction", str(REDUCTION)]
    wall = run_search_command(setup.faces, setup.folder / "space.yaml", size, out, asha)
    seconds, faces = [], 0
    for trial in read_trials(find_study_folder(out)):
        seconds += [result.seconds for result in trial.history]
        faces += len(trial.history) * plan_faces[trial.config.data_plan]
    return StudyTimes(wall, seconds, faces)


def run_search_command(
    faces: Path | None, space: Path, size: StudySize, out: Path, extra_options: Sequence[str] = ()
) -> float:
    """Run a study by the command line and return its seconds.

    out: a new folder for its records, with the MLflow store.
    """
    data = [] if faces is None else ["--data", str(faces.resolve())]
    options = {
        "--space": space,
        "--trials": size.trials,
        "--epochs": size.epochs,
        "--train-faces": size.faces,
        "--concurrent": min(CONCURRENT, size.trials),
        "--cpus-per-trial": 1,
        "--storage": "studies",
        "--tracking-uri": "mlruns",
    }
    command = [sys.executable, "-m", "fer_tune.search", *data, *_list_arguments(options)]
    out.mkdir()
    return run_and_time([*command, *extra_options], out, out)


def _list_arguments(options: Mapping[str, object]) -> list[str]:
    return [str(text) for option in options.items() for text in option]


def find_study_folder(out: Path) -> Path:
    """Return the folder of the only study in `out`."""
    (event_log,) = out.glob("studies/*/journal.jsonl")
    return event_log.parent


def run_reference_study(
    folder: Path,
    size: StudySize,
    out: Path,
    plan_faces: Mapping[str, int],
    extra_options: Sequence[str],
) -> StudyTimes:
    """Run the reference study of the faces and of `points.json` in `folder`.

    out, plan_faces: as for `run_our_study`.
    extra_options: further options of `benchmarks.reference_study`.
    """
    options = {
        "--faces": folder / "faces",
        "--points": folder / "points.json",
        "--out": out,
        "--epochs": size.epochs,
        "--grace": size.grace,
        "--reduction": REDUCTION,
        "--concurrent": CONCURRENT,
    }
    command = [sys.executable, "-m", "benchmarks.reference_study", *_list_arguments(options)]
    out.mkdir()
    wall = run_and_time([*command, *extra_options], ROOT, out)
    trials = json.loads((out / "trials.json").read_text())
    seconds = [epoch for trial in trials for epoch in trial["seconds"]]
    faces = sum(len(t["seconds"]) * plan_faces[t["config"]["data_plan"]] for t in trials)
    return StudyTimes(wall, seconds, faces)
