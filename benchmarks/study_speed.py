"""Speed of a whole study, beside the reference study and beside its own training."""

import json
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import mean

from benchmarks.benchmark_faces import load_benchmark_splits, write_image_folders
from benchmarks.benchmark_types import BenchmarkResult, BenchmarkSetup, Target
from benchmarks.processes import run_and_time
from fer_tune.data.resampling import apply_data_plan
from fer_tune.events import TrialEnded, TrialStarted
from fer_tune.study.records.event_log import read_events, read_trials
from fer_tune.study.search_space.load_space import find_space_file, load_space
from fer_tune.study.search_space.parameters import Point
from fer_tune.trial_config import TrialConfig

ROOT = Path(__file__).parents[1]
CONCURRENT = 2  # trials at once, each with one core
GRACE, REDUCTION = 1, 2  # as in Ray's guide for PyTorch

# Trials of equal length: the baseline's network and data plan, and no trial is pruned.
EQUAL_SPACE = "parameters:\n  learning_rate: {type: float, low: 0.9e-4, high: 1.1e-4}\n"


@dataclass(frozen=True)
class StudySize:
    """Size of a study."""

    trials: int
    epochs: int
    faces: int


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


def measure_study_speed(setup: BenchmarkSetup) -> list[BenchmarkResult]:
    """Compare a study with the reference study and with the training in it."""
    return [*_compare_with_reference(setup), _compare_with_training(setup)]


def _compare_with_reference(setup: BenchmarkSetup) -> list[BenchmarkResult]:
    size = StudySize(3, 2, 500) if setup.quick else StudySize(8, 4, 6_000)
    splits = load_benchmark_splits(setup.faces)
    faces = write_image_folders(splits, size.faces, setup.folder / "faces")
    points = _draw_points(size.trials)
    plans = {TrialConfig.model_validate(point).data_plan for point in points}
    plan_faces = {
        str(plan): len(apply_data_plan(plan, faces.train, seed=0).faces) for plan in plans
    }
    (setup.folder / "points.json").write_text(json.dumps(points))
    (setup.folder / "space.yaml").write_text(_make_space_yaml(points))
    # The names are keys of the recorded details.
    times: dict[str, list[StudyTimes]] = {"ours": [], "peer": [], "peer, actors reused": []}
    for repeat in range(setup.repeats):
        for name, results in times.items():
            out = setup.folder / f"{name.replace(', ', '-').replace(' ', '-')}-{repeat}"
            if name == "ours":
                results.append(_run_our_study(setup, size, out, plan_faces))
            else:
                more = ["--reuse-actors"] if "reused" in name else []
                results.append(_run_reference_study(setup.folder, size, out, plan_faces, more))
            last = results[-1]
            setup.report_progress(
                f"study: {repeat + 1}/{setup.repeats} {_label(name)}: {last.wall_seconds:.0f} s "
                f"for {len(last.epoch_seconds)} epochs in {size.trials} trials"
            )
    counts = {"trials": size.trials, "epochs_at_most": size.epochs, "faces": len(faces.train)}
    return [row for name in list(times)[1:] for row in _make_results(name, times, counts)]


def _label(name: str) -> str:
    return name.replace("peer", "reference")


def _make_results(
    name: str, times: Mapping[str, Sequence[StudyTimes]], counts: Mapping[str, int]
) -> list[BenchmarkResult]:
    """Return two ratios over a reference: by trials, and by faces, since ASHA may prune others."""
    pairs = list(zip(times["ours"], times[name], strict=True))
    details = {
        "ours": [a.to_details() for a, _ in pairs],
        name: [b.to_details() for _, b in pairs],
        **counts,
    }
    by_trials = [theirs.wall_seconds / ours.wall_seconds for ours, theirs in pairs]
    by_faces = [ours.faces_per_second / theirs.faces_per_second for ours, theirs in pairs]
    target = Target("at least", 3) if name == "peer" else None
    trials, faces = (
        f"study, {n} an hour, over the {_label(name)}" for n in ("trials", "trained faces")
    )
    return [
        BenchmarkResult("c", trials, "x", by_trials, target, details),
        BenchmarkResult("c", faces, "x", by_faces),
    ]


def _draw_points(trials: int) -> list[Point]:
    """Return the same trials for both sides: the space's first trials, then random points."""
    import optuna

    optuna.logging.set_verbosity(optuna.logging.WARNING)
    space = load_space(find_space_file("paper"))
    study = optuna.create_study(sampler=optuna.samplers.RandomSampler(seed=0))
    points = space.list_first_points()
    while len(points) < trials:
        points.append(dict(study.ask(space.to_distributions()).params))
    return points[:trials]


def _make_space_yaml(points: Sequence[Point]) -> str:
    space = load_space(find_space_file("paper"))
    return space.model_copy(update={"first_trials": tuple(points[1:])}).to_yaml()


def _run_our_study(
    setup: BenchmarkSetup, size: StudySize, out: Path, plan_faces: Mapping[str, int]
) -> StudyTimes:
    asha = ["--grace", str(GRACE), "--reduction", str(REDUCTION)]
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


def _run_reference_study(
    folder: Path,
    size: StudySize,
    out: Path,
    plan_faces: Mapping[str, int],
    extra_options: Sequence[str],
) -> StudyTimes:
    options = {
        "--faces": folder / "faces",
        "--points": folder / "points.json",
        "--out": out,
        "--epochs": size.epochs,
        "--grace": GRACE,
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


def _compare_with_training(setup: BenchmarkSetup) -> BenchmarkResult:
    size = StudySize(2, 2, 300) if setup.quick else StudySize(8, 2, 6_000)
    (space := setup.folder / "equal.yaml").write_text(EQUAL_SPACE)
    ratios, details = [], []
    for repeat in range(setup.repeats):
        out = setup.folder / f"equal-{repeat}"
        run_search_command(setup.faces, space, size, out, ["--grace", str(size.epochs)])
        wall, training = measure_wall_and_training(find_study_folder(out))
        ratios.append(wall / training)
        details.append({"wall_s": wall, "training_s": training})
        setup.report_progress(
            f"study: {repeat + 1}/{setup.repeats} {wall:.1f} s for {training:.1f} s of training"
        )
    what = "study, over half of its training (two trials at once)"
    return BenchmarkResult("d", what, "x", ratios, Target("at most", 1.05), {"studies": details})


def measure_wall_and_training(folder: Path) -> tuple[float, float]:
    """Return the seconds from the first trial's start to the last trial's end, and of training.

    The training seconds are those of all epochs, divided by the number of trials at once.
    """
    events = list(read_events(folder))
    began = min(event.time for event in events if isinstance(event, TrialStarted))
    ended = max(event.time for event in events if isinstance(event, TrialEnded))
    training = sum(result.seconds for trial in read_trials(folder) for result in trial.history)
    return (ended - began) / 1000, training / CONCURRENT
