"""Speed of a whole study, beside the reference study and beside its own training."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from pathlib import Path

from benchmarks.benchmark_faces import load_benchmark_splits, write_image_folders
from benchmarks.benchmark_types import BenchmarkResult, BenchmarkSetup, Target
from benchmarks.run_studies import (
    CONCURRENT,
    StudySize,
    StudyTimes,
    find_study_folder,
    run_our_study,
    run_reference_study,
    run_search_command,
)
from fer_tune.data.resampling import apply_data_plan
from fer_tune.events import TrialEnded, TrialStarted
from fer_tune.study.records.event_log import read_events, read_trials
from fer_tune.study.records.settings import slugify
from fer_tune.study.search_space.load_space import find_space_file, load_space
from fer_tune.study.search_space.parameters import Point
from fer_tune.trial_config import TrialConfig

# Trials of equal length: the baseline's network and data plan, and no trial is pruned.
EQUAL_SPACE = "parameters:\n  learning_rate: {type: float, low: 0.9e-4, high: 1.1e-4}\n"


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
    times = _run_in_turns(setup, size, plan_faces, ["ours", "peer", "peer, actors reused"])
    results = [row for name in list(times)[1:] for row in _make_results(name, times, size)]
    equal = replace(size, epochs=2, grace=2)
    times = _run_in_turns(setup, equal, plan_faces, ["ours", "peer"])
    return [*results, _make_results("peer", times, equal)[0]]


def _run_in_turns(
    setup: BenchmarkSetup, size: StudySize, plan_faces: Mapping[str, int], names: Sequence[str]
) -> dict[str, list[StudyTimes]]:
    """Run fer_tune and the reference in turns, and return their times by name.

    names: `ours` and variants of the reference, as in the recorded details.
    """
    times: dict[str, list[StudyTimes]] = {name: [] for name in names}
    for repeat in range(setup.repeats):
        for name, results in times.items():
            out = setup.folder / slugify(f"{name}-{size.grace}-{size.epochs}-{repeat}")
            if name == "ours":
                results.append(run_our_study(setup, size, out, plan_faces))
            else:
                more = ["--reuse-actors"] if "reused" in name else []
                results.append(run_reference_study(setup.folder, size, out, plan_faces, more))
            last = results[-1]
            setup.report_progress(
                f"study: {repeat + 1}/{setup.repeats} {_label(name)}: {last.wall_seconds:.0f} s "
                f"for {len(last.epoch_seconds)} epochs in {size.trials} trials"
            )
    return times


def _label(name: str) -> str:
    return name.replace("peer", "reference")


def _make_results(
    name: str, times: Mapping[str, Sequence[StudyTimes]], size: StudySize
) -> list[BenchmarkResult]:
    """Return two ratios over a reference: by trials, and by faces, since ASHA may prune others."""
    pairs = list(zip(times["ours"], times[name], strict=True))
    details = {
        "ours": [a.to_details() for a, _ in pairs],
        name: [b.to_details() for _, b in pairs],
        **asdict(size),
    }
    by_trials = [theirs.wall_seconds / ours.wall_seconds for ours, theirs in pairs]
    by_faces = [ours.faces_per_second / theirs.faces_per_second for ours, theirs in pairs]
    target = Target("at least", 3) if name == "peer" else None
    lengths = f", each of {size.epochs} epochs" if size.grace == size.epochs else ""
    trials, faces = (
        f"study, {n} an hour{lengths}, over the {_label(name)}" for n in ("trials", "trained faces")
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
