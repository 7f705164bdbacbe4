"""One trial's training: ours beside the peer's loop, and beside what the processor can reach."""

import contextlib
import time
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from statistics import mean, median, stdev
from unittest import mock

import numpy as np
import torch

from benchmarks import reference_trainable as peer
from benchmarks.benchmark_faces import bench_splits, peer_faces, repeated
from benchmarks.benchmark_result import Row, Setup, Target
from benchmarks.processes import one_process, several_processes
from fer_tune.data.faces import Faces
from fer_tune.data.resampling import TrainingFaces
from fer_tune.data.trial_data import TrialData
from fer_tune.scoring.metrics import EpochResult
from fer_tune.trial import device as training_device
from fer_tune.trial.device import pick_device
from fer_tune.trial.train_state import TrialSpec, init_state
from fer_tune.trial.training_loop import fit
from fer_tune.trial_config import BASELINE

BATCHES = 20  # in a timed epoch
SEEDS = 3
# Student's t for a difference of two means of three, at 95 % (Welch, four degrees of freedom).
NOISE = 2.78
SIDE = 2048  # of the matrices whose product is the floor


@dataclass(frozen=True)
class Job:
    """What a process trains on, small enough to be sent to it.

    path: of the faces; None for the demo faces.
    folder: the same faces as the peer wants them.
    faces: how many of them train.
    bfloat16: whether it may be used where the processor has it.
    """

    path: Path | None
    folder: Path
    faces: int
    bfloat16: bool = True


def train(setup: Setup) -> list[Row]:
    """Images a second, the share of the floor, and the accuracy that comes of it."""
    return [*_speed(setup), *_accuracy(setup)]


def _speed(setup: Setup) -> Iterator[Row]:
    count = BASELINE.batch_size * (2 if setup.quick else BATCHES)
    faces = peer_faces(bench_splits(setup.faces), count, setup.folder / "speed")
    job = Job(setup.faces, faces.folder, count)
    plain = Job(setup.faces, faces.folder, count, bfloat16=False)
    modes = {"bfloat16": job, "float32": plain} if has_bfloat16() else {"float32": plain}
    with contextlib.ExitStack() as stack:
        theirs = stack.enter_context(one_process())
        ours = {name: stack.enter_context(one_process()) for name in modes}
        setup.say("train: warming up")
        theirs.submit(peer_epoch, job).result()
        for name, own in modes.items():
            ours[name].submit(our_epoch, own).result()
        rates: dict[str, list[float]] = {name: [] for name in ("peer", *modes)}
        floors: dict[str, list[float]] = {name: [] for name in modes}
        for repeat in range(setup.repeats):
            rates["peer"].append(theirs.submit(peer_epoch, job).result())
            for name, own in modes.items():
                rates[name].append(ours[name].submit(our_epoch, own).result())
                floors[name].append(ours[name].submit(product_flops, name).result())
            shown = ", ".join(f"{name} {values[-1]:.0f}" for name, values in rates.items())
            setup.say(f"train: {repeat + 1}/{setup.repeats}, images a second: {shown}")
    flops = image_flops()
    for name in modes:
        target = 2.5 if name == "bfloat16" else 1.3
        ratios = [a / b for a, b in zip(rates[name], rates["peer"], strict=True)]
        details = {"ours": rates[name], "peer": rates["peer"], "unit": "images/s, one thread"}
        what = f"training images/s, {name}, over the peer's"
        yield Row("a", what, "x", ratios, Target("at least", target), details)
    for name in modes:
        shares = [100 * flops * a / b for a, b in zip(rates[name], floors[name], strict=True)]
        reached = {"flop_an_image": flops, "product_gflops": [each / 1e9 for each in floors[name]]}
        what = f"FLOP/s in training, {name}, of a matrix product's"
        yield Row("b", what, "%", shares, Target("at least", 60), reached)


def _accuracy(setup: Setup) -> Iterator[Row]:
    size, epochs = (512, 1) if setup.quick else (6_000, 5)
    splits = bench_splits(setup.faces)
    faces = peer_faces(splits, size, setup.folder / "accuracy")
    job = Job(setup.faces, faces.folder, len(faces.train))
    setup.say(f"train: {epochs} epochs with {SEEDS} seeds, ours and the peer's, two at once")
    with several_processes(2) as pool:
        theirs = [pool.submit(peer_accuracy, job, epochs, seed) for seed in range(SEEDS)]
        ours = [pool.submit(our_accuracy, job, epochs, seed) for seed in range(SEEDS)]
        own, peers = [each.result() for each in ours], [each.result() for each in theirs]
    error = ((stdev(own) ** 2 + stdev(peers) ** 2) / SEEDS) ** 0.5
    details = {
        "ours": own,
        "peer": peers,
        "ours_mean_sd": [mean(own), stdev(own)],
        "peer_mean_sd": [mean(peers), stdev(peers)],
        "epochs": epochs,
        "train_faces": len(faces.train),
        "metric": "validation accuracy of the last epoch, %",
    }
    what = "accuracy apart from the peer's, within seed noise"
    noise = Target("at most", round(NOISE * error, 2))
    yield Row("a", what, "points", [abs(mean(own) - mean(peers))], noise, details)


def has_bfloat16() -> bool:
    """Whether training would use it here."""
    return training_device.has_bfloat16(pick_device())


def our_epoch(job: Job) -> float:
    """Images a second in one more epoch of a trial, evaluation left out."""
    began = time.perf_counter()
    next(_our_trial(job))
    return job.faces / (time.perf_counter() - began)


@cache
def _our_trial(job: Job) -> Iterator[EpochResult]:
    torch.set_num_threads(1)
    if not job.bfloat16:
        mock.patch.object(training_device, "has_bfloat16", return_value=False).start()
    # Too few faces to evaluate on for the time to show.
    few = trial_faces_of(job, validation=8)
    few = TrialData(few.training, few.validation, few.validation, few.classes)
    return _our_epochs(few, epochs=1_000_000, seed=0)


def _our_epochs(faces: TrialData, epochs: int, seed: int) -> Iterator[EpochResult]:
    device, task = pick_device(), TrialSpec(BASELINE, epochs, seed)
    state = init_state(task, len(faces.training.faces), len(faces.classes), device)
    return fit(task, state, faces, device)


def trial_faces_of(job: Job, validation: int | None = None) -> TrialData:
    from fer_tune.data.subsample import draw_stratified_sample, draw_train_eval_sample

    splits = bench_splits(job.path)
    train = repeated(draw_stratified_sample(splits.train, job.faces, seed=0), job.faces)
    judged = splits.validation.take(np.arange(len(splits.validation))[:validation])
    training = TrainingFaces(train)
    sample: Faces = draw_train_eval_sample(training, train, len(judged))
    return TrialData(training, sample, judged, splits.classes)


def peer_epoch(job: Job) -> float:
    """Images a second in one more epoch of the peer's loop."""
    model, batches, optimizer = _peer_trial(job.folder, seed=0)
    began = time.perf_counter()
    peer.train_epoch(model, batches, optimizer, peer.own_device())
    return job.faces / (time.perf_counter() - began)


@cache
def _peer_trial(
    folder: Path, seed: int
) -> tuple[torch.nn.Module, peer.Batches, torch.optim.Optimizer]:
    torch.set_num_threads(1)
    torch.manual_seed(seed)
    faces = peer.faces_in(folder / "train")
    model = peer.network(BASELINE.depth, BASELINE.dropout, len(faces.classes)).to(peer.own_device())
    optimizer = torch.optim.Adam(model.parameters(), lr=BASELINE.learning_rate)
    return (
        model,
        peer.training_batches(faces, "original", BASELINE.batch_size, workers=0),
        optimizer,
    )


def our_accuracy(job: Job, epochs: int, seed: int) -> float:
    """Percent of the validation faces after so many epochs."""
    torch.set_num_threads(1)
    *_, last = _our_epochs(trial_faces_of(job), epochs, seed)
    return 100 * last.metrics["val/accuracy"]


def peer_accuracy(job: Job, epochs: int, seed: int) -> float:
    """Percent of the validation faces after so many epochs."""
    model, batches, optimizer = _peer_trial(job.folder, seed)
    for _ in range(epochs):
        peer.train_epoch(model, batches, optimizer, peer.own_device())
    judged = peer.faces_in(job.folder / "validation")
    validation = peer.validation_batches(judged, BASELINE.batch_size, workers=0)
    return 100 * peer.validate(model, validation, peer.own_device())["val_accuracy"]


def image_flops() -> float:
    """Floating-point operations of one face in training, forward and backward."""
    from torch.utils.flop_counter import FlopCounterMode

    model = peer.network(BASELINE.depth, BASELINE.dropout, classes=7)
    images = torch.zeros(BASELINE.batch_size, 1, 48, 48)
    with FlopCounterMode(display=False) as counter:
        model(images).sum().backward()
    return float(counter.get_total_flops() / BASELINE.batch_size)


def product_flops(precision: str) -> float:
    """Operations a second of a large matrix product, as many threads as training has."""
    device, kind = pick_device(), getattr(torch, precision)
    left, right = (torch.randn(SIDE, SIDE, device=device).to(kind) for _ in range(2))
    seconds = []
    for _ in range(6):
        began = time.perf_counter()
        product = left @ right
        float(product[0, 0])  # a GPU works on until it is asked
        seconds.append(time.perf_counter() - began)
    return float(2 * SIDE**3 / median(seconds[1:]))
