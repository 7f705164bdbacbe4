"""Throughput of a GPU in trials an hour, with 1, 2, 4 and 8 trials at once."""

from benchmarks.benchmark_faces import FER2013_TRAIN_FACES, load_benchmark_splits
from benchmarks.benchmark_types import BenchmarkResult, BenchmarkSetup
from fer_tune.data.subsample import draw_stratified_sample
from fer_tune.data.trial_data import build_trial_data
from fer_tune.study.tune.measure_gpu_sharing import measure_speeds
from fer_tune.study.tune.ray_session import open_ray_session
from fer_tune.study.tune.resources import detect_machine
from fer_tune.trial.gpu_sharing import TRIAL_COUNTS

EPOCHS = 20  # of a trial in the paper


def measure_gpu_sharing_speed(setup: BenchmarkSetup) -> list[BenchmarkResult]:
    """Measure what `--gpus-per-trial auto` decides by; return no rows without a GPU."""
    machine = detect_machine()
    if not machine.gpus:
        setup.report_progress("sharing: skipped, because this machine has no GPU")
        return []
    splits = load_benchmark_splits(setup.faces)
    faces = build_trial_data(
        splits, draw_stratified_sample(splits.train, FER2013_TRAIN_FACES, 0), "original", 0
    )
    resources = {"CPU": min(machine.cores, TRIAL_COUNTS[-1]), "GPU": 1}
    rates: dict[int, list[float]] = {}
    with open_ray_session(None):
        for repeat in range(setup.repeats):
            for trials, speed in measure_speeds(faces, resources).items():
                rates.setdefault(trials, []).append(speed.faces_per_second)
            setup.report_progress(f"sharing: {repeat + 1}/{setup.repeats}")
    return [_make_result(trials, rates[trials]) for trials in sorted(rates)]


def _make_result(trials: int, rates: list[float]) -> BenchmarkResult:
    samples = [rate * 3600 / (FER2013_TRAIN_FACES * EPOCHS) for rate in rates]
    size = f"{EPOCHS} epochs of {FER2013_TRAIN_FACES:,} faces"
    what = f"baseline trials ({size}), {trials} at once on a GPU"
    return BenchmarkResult("gpu", what, "trials/h", samples)
