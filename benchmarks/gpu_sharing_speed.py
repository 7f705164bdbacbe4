"""Trials an hour at 1, 2, 4 and 8 trials on one GPU."""

from benchmarks.benchmark_faces import FER2013_TRAIN_FACES, load_benchmark_splits
from benchmarks.benchmark_result import BenchmarkResult, BenchmarkSetup
from fer_tune.data.subsample import draw_stratified_sample
from fer_tune.data.trial_data import build_trial_data
from fer_tune.study.tune.gpu_sharing import TRIAL_COUNTS, Throughput, measure_throughputs
from fer_tune.study.tune.ray_session import open_ray_session
from fer_tune.study.tune.resources import detect_machine

EPOCHS = 20  # of the paper's trial


def measure_gpu_sharing_speed(setup: BenchmarkSetup) -> list[BenchmarkResult]:
    """What `--gpus-per-trial auto` decides by; no rows where there is no GPU."""
    machine = detect_machine()
    if not machine.gpus:
        setup.report_progress("sharing: there is no GPU here, so there is nothing to share")
        return []
    splits = load_benchmark_splits(setup.faces)
    faces = build_trial_data(
        splits, draw_stratified_sample(splits.train, FER2013_TRAIN_FACES, 0), "original", 0
    )
    there = {"CPU": min(machine.cores, TRIAL_COUNTS[-1]), "GPU": 1}
    found: list[Throughput] = []
    with open_ray_session(None):
        for repeat in range(setup.repeats):
            found += measure_throughputs(faces, there)
            setup.report_progress(f"sharing: {repeat + 1}/{setup.repeats}")
    return [_make_result(trials, found) for trials in sorted({rate.trials for rate in found})]


def _make_result(trials: int, throughputs: list[Throughput]) -> BenchmarkResult:
    samples = [
        rate.faces_per_second * 3600 / (FER2013_TRAIN_FACES * EPOCHS)
        for rate in throughputs
        if rate.trials == trials
    ]
    what = f"the paper's trial ({EPOCHS} epochs of {FER2013_TRAIN_FACES:,} faces), {trials} at once on a GPU"
    return BenchmarkResult("gpu", what, "trials/h", samples)
