"""Trials an hour at 1, 2, 4 and 8 trials on one GPU."""

from benchmarks.benchmark_faces import FULL, bench_splits
from benchmarks.benchmark_result import Row, Setup
from fer_tune.data.subsample import draw_stratified_sample
from fer_tune.data.trial_data import build_trial_data
from fer_tune.study.tune.gpu_sharing import TRIAL_COUNTS, Throughput, measure_throughputs
from fer_tune.study.tune.ray_session import open_ray_session
from fer_tune.study.tune.resources import detect_machine

EPOCHS = 20  # of the paper's trial


def sharing(setup: Setup) -> list[Row]:
    """What `--gpus-per-trial auto` decides by; no rows where there is no GPU."""
    machine = detect_machine()
    if not machine.gpus:
        setup.say("sharing: there is no GPU here, so there is nothing to share")
        return []
    splits = bench_splits(setup.faces)
    faces = build_trial_data(splits, draw_stratified_sample(splits.train, FULL, 0), "original", 0)
    there = {"CPU": min(machine.cores, TRIAL_COUNTS[-1]), "GPU": 1}
    found: list[Throughput] = []
    with open_ray_session(None):
        for repeat in range(setup.repeats):
            found += measure_throughputs(faces, there)
            setup.say(f"sharing: {repeat + 1}/{setup.repeats}")
    return [_row(trials, found) for trials in sorted({rate.trials for rate in found})]


def _row(trials: int, found: list[Throughput]) -> Row:
    samples = [
        rate.faces_per_second * 3600 / (FULL * EPOCHS) for rate in found if rate.trials == trials
    ]
    what = f"the paper's trial ({EPOCHS} epochs of {FULL:,} faces), {trials} at once on a GPU"
    return Row("gpu", what, "trials/h", samples)
