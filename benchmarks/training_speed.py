"""Training speed of one trial, beside the reference's training loop and the hardware's limit."""

import contextlib
import time
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from statistics import mean, stdev
from unittest import mock

import numpy as np
import torch

from benchmarks.benchmark_faces import load_benchmark_splits, repeat_faces, write_image_folders
from benchmarks.benchmark_types import BenchmarkResult, BenchmarkSetup, Target
from benchmarks.matrix_product_speed import measure_matmul_flops
from benchmarks.processes import start_process_pool, start_warm_worker
from benchmarks.reference_trainable import (
    Batches,
    build_network,
    choose_device,
    load_image_folder,
    make_resampled_batches,
    make_validation_batches,
    train_epoch,
    validate,
)
from fer_tune.data.faces import Faces
from fer_tune.data.resampling import TrainingFaces
from fer_tune.data.trial_data import TrialData
from fer_tune.scoring.metrics import EpochResult
from fer_tune.trial import device as training_device
from fer_tune.trial.device import pick_device
from fer_tune.trial.train_state import TrialSpec, init_state
from fer_tune.trial.training_loop import fit
from fer_tune.trial_config import BASELINE

BATCHES_PER_EPOCH = 20  # in a timed epoch
SEEDS = 3
# Student's t at 95 % for two means of three values each (Welch, four degrees of freedom).
T_QUANTILE = 2.78


@dataclass(frozen=True)
class TrainingJob:
    """Training job of a process, small enough to pickle.

    path: the faces; None for the demo faces.
    folder: the same faces as image folders for the reference.
    faces: number of training faces.
    bfloat16: whether training may use bfloat16 if the processor has it.
    """

    path: Path | None
    folder: Path
    faces: int
    bfloat16: bool = True


def measure_training_speed(setup: BenchmarkSetup) -> list[BenchmarkResult]:
    """Measure images a second, the share of the hardware's limit, and the accuracy."""
    return [*_measure_speed(setup), *_compare_accuracy(setup)]


def _measure_speed(setup: BenchmarkSetup) -> Iterator[BenchmarkResult]:
    count = BASELINE.batch_size * (2 if setup.quick else BATCHES_PER_EPOCH)
    faces = write_image_folders(load_benchmark_splits(setup.faces), count, setup.folder / "speed")
    job = TrainingJob(setup.faces, faces.folder, count)
    plain = TrainingJob(setup.faces, faces.folder, count, bfloat16=False)
    modes = {"bfloat16": job, "float32": plain}
    if not training_device.has_bfloat16(pick_device()):
        del modes["bfloat16"]
    with contextlib.ExitStack() as stack:
        reference = stack.enter_context(start_warm_worker())
        ours = {name: stack.enter_context(start_warm_worker()) for name in modes}
        setup.report_progress("train: warming up")
        reference.submit(measure_reference_throughput, job).result()
        for name, mode in modes.items():
            ours[name].submit(measure_our_epoch, mode).result()
        rates: dict[str, list[float]] = {name: [] for name in ("reference", *modes)}
        limits: dict[str, list[float]] = {name: [] for name in modes}
        for repeat in range(setup.repeats):
            rates["reference"].append(reference.submit(measure_reference_throughput, job).result())
            for name, mode in modes.items():
                rates[name].append(ours[name].submit(measure_our_epoch, mode).result())
                limits[name].append(ours[name].submit(measure_matmul_flops, name).result())
            newest = ", ".join(f"{name} {values[-1]:.0f}" for name, values in rates.items())
            setup.report_progress(f"train: {repeat + 1}/{setup.repeats}, images a second: {newest}")
    flops = count_image_flops()
    for name in modes:
        target = 2.5 if name == "bfloat16" else 1.3
        ratios = [a / b for a, b in zip(rates[name], rates["reference"], strict=True)]
        details = {"ours": rates[name], "peer": rates["reference"], "unit": "images/s, one thread"}
        what = f"training images/s, {name}, over the reference's"
        yield BenchmarkResult("a", what, "x", ratios, Target("at least", target), details)
    for name in modes:
        shares = [100 * flops * a / b for a, b in zip(rates[name], limits[name], strict=True)]
        raw = {"flop_an_image": flops, "product_gflops": [n / 1e9 for n in limits[name]]}
        what = f"FLOP/s in training, {name}, over a matrix product's"
        yield BenchmarkResult("b", what, "%", shares, Target("at least", 60), raw)


def _compare_accuracy(setup: BenchmarkSetup) -> Iterator[BenchmarkResult]:
    size, epochs = (512, 1) if setup.quick else (6_000, 5)
    splits = load_benchmark_splits(setup.faces)
    faces = write_image_folders(splits, size, setup.folder / "accuracy")
    job = TrainingJob(setup.faces, faces.folder, len(faces.train))
    setup.report_progress(
        f"train: {epochs} epochs with {SEEDS} seeds, ours and the reference's, two at once"
    )
    with start_process_pool(2) as pool:
        runs = [
            pool.map(measure, [job] * SEEDS, [epochs] * SEEDS, range(SEEDS))
            for measure in (measure_reference_accuracy, measure_our_accuracy)
        ]
        reference, ours = map(list, runs)
    error = ((stdev(ours) ** 2 + stdev(reference) ** 2) / SEEDS) ** 0.5
    details = {
        "ours": ours,
        "peer": reference,
        "ours_mean_sd": [mean(ours), stdev(ours)],
        "peer_mean_sd": [mean(reference), stdev(reference)],
        "epochs": epochs,
        "train_faces": len(faces.train),
        "metric": "validation accuracy of the last epoch, %",
    }
    what = "difference of accuracy to the reference, within the noise of seeds"
    noise = Target("at most", round(T_QUANTILE * error, 2))
    yield BenchmarkResult("a", what, "points", [abs(mean(ours) - mean(reference))], noise, details)


def measure_our_epoch(job: TrainingJob) -> float:
    """Return the images a second of the trial's next epoch, almost without evaluation."""
    began = time.perf_counter()
    next(_start_our_trial(job))
    return job.faces / (time.perf_counter() - began)


@cache
def _start_our_trial(job: TrainingJob) -> Iterator[EpochResult]:
    torch.set_num_threads(1)
    if not job.bfloat16:
        mock.patch.object(training_device, "has_bfloat16", return_value=False).start()
    # So few validation faces that evaluation takes no measurable time.
    few = make_trial_data(job, validation=8)
    few = TrialData(few.training, few.validation, few.validation, few.classes)
    return _train_our_epochs(few, epochs=1_000_000, seed=0)


def _train_our_epochs(data: TrialData, epochs: int, seed: int) -> Iterator[EpochResult]:
    device, task = pick_device(), TrialSpec(BASELINE, epochs, seed)
    state = init_state(task, len(data.training.faces), len(data.classes), device)
    return fit(task, state, data, device)


def make_trial_data(job: TrainingJob, validation: int | None = None) -> TrialData:
    from fer_tune.data.subsample import draw_stratified_sample, draw_train_eval_sample

    splits = load_benchmark_splits(job.path)
    train = repeat_faces(draw_stratified_sample(splits.train, job.faces, seed=0), job.faces)
    scored = splits.validation.take(np.arange(len(splits.validation))[:validation])
    training = TrainingFaces(train)
    sample: Faces = draw_train_eval_sample(training, train, len(scored))
    return TrialData(training, sample, scored, splits.classes)


def measure_reference_throughput(job: TrainingJob) -> float:
    """Return the images a second of the reference's next epoch."""
    model, batches, optimizer = _start_reference_trial(job.folder, seed=0)
    began = time.perf_counter()
    train_epoch(model, batches, optimizer, choose_device())
    return job.faces / (time.perf_counter() - began)


@cache
def _start_reference_trial(
    folder: Path, seed: int
) -> tuple[torch.nn.Module, Batches, torch.optim.Optimizer]:
    torch.set_num_threads(1)
    torch.manual_seed(seed)
    faces = load_image_folder(folder / "train")
    model = build_network(BASELINE.depth, BASELINE.dropout, len(faces.classes)).to(choose_device())
    optimizer = torch.optim.Adam(model.parameters(), lr=BASELINE.learning_rate)
    return model, make_resampled_batches(faces, "original", BASELINE.batch_size, 0), optimizer


def measure_our_accuracy(job: TrainingJob, epochs: int, seed: int) -> float:
    """Return the validation accuracy in percent after so many epochs."""
    torch.set_num_threads(1)
    *_, last = _train_our_epochs(make_trial_data(job), epochs, seed)
    return 100 * last.metrics["val/accuracy"]


def measure_reference_accuracy(job: TrainingJob, epochs: int, seed: int) -> float:
    """Return the validation accuracy in percent after so many epochs."""
    model, batches, optimizer = _start_reference_trial(job.folder, seed)
    for _ in range(epochs):
        train_epoch(model, batches, optimizer, choose_device())
    scored = load_image_folder(job.folder / "validation")
    batches = make_validation_batches(scored, BASELINE.batch_size, workers=0)
    return 100 * validate(model, batches, choose_device())["val_accuracy"]


def count_image_flops() -> float:
    """Count the floating-point operations of one training face, forward and backward."""
    from torch.utils.flop_counter import FlopCounterMode

    model = build_network(BASELINE.depth, BASELINE.dropout, classes=7)
    images = torch.zeros(BASELINE.batch_size, 1, 48, 48)
    with FlopCounterMode(display=False) as counter:
        model(images).sum().backward()
    return float(counter.get_total_flops() / BASELINE.batch_size)
