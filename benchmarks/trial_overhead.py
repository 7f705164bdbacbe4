"""Overhead of a study: trials that train nothing, but are recorded like real trials.

python -m benchmarks.trial_overhead 10000     growth over 10,000 trials, in a quarter of an hour
"""

import os
import sys
import tempfile
import time
from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console

from benchmarks.benchmark_types import BenchmarkResult, BenchmarkSetup, Target
from benchmarks.processes import start_warm_worker
from benchmarks.trial_end_observer import TrialEndObserver
from fer_tune.common.disk_or_bucket import DiskDirectory
from fer_tune.data.faces import EMOTIONS
from fer_tune.events import Observer
from fer_tune.scoring.metrics import EpochResult, Scores, build_epoch_metrics
from fer_tune.study.records.checkpoint_pruner import CheckpointPruner, checkpoint_directory
from fer_tune.study.records.event_log import EventLog, EventLogReader
from fer_tune.study.records.settings import StudySettings
from fer_tune.study.records.study_storage import StudyStorage
from fer_tune.study.records.trial_record import TrialRecords
from fer_tune.study.search_space.load_space import find_space_file, load_space
from fer_tune.study.tune.ray_session import open_ray_session
from fer_tune.study.tune.resources import (
    ResourceRequest,
    RunResources,
    allocate_resources,
    detect_machine,
)
from fer_tune.study.tune.shared_data import SharedStudyData
from fer_tune.study.tune.trainable import TrialOptions, report_epoch
from fer_tune.study.tune.tuner import run_study
from fer_tune.terminal.live_table import LiveTable
from fer_tune.tracking.background_writer import BackgroundWriter
from fer_tune.tracking.store import Store, open_store
from fer_tune.tracking.study_and_retrain_info import StudyInfo
from fer_tune.trial import checkpoint

METRIC = "val/macro_f1"
CHECKPOINT = bytes(10_000)  # a checkpoint file without weights

# Trials and epochs of the studies; a fit separates the costs of a study, a trial and an epoch.
SIZES = ((20, 5), (200, 2), (200, 5), (200, 10))
GROWTH_TRIALS = 2000
StudyShape = tuple[int, int]  # trials and epochs


def measure_trial_overhead(setup: BenchmarkSetup) -> list[BenchmarkResult]:
    """Measure the cost of a trial and of an epoch, and how cost and memory grow with trials."""
    sizes = [(trials // 10, epochs) for trials, epochs in SIZES] if setup.quick else list(SIZES)
    costs = []
    for repeat in range(setup.repeats):
        with start_warm_worker() as process:
            times = process.submit(run_empty_studies, setup.folder / str(repeat), sizes).result()
        costs.append(_fit_overhead(times))
        setup.report_progress(
            f"overhead: {costs[-1].trial:.3f} s a trial, {costs[-1].epoch * 1e3:.1f} ms an epoch"
        )
    details = {"runs": [cost.runs for cost in costs]}
    trials, epochs = [cost.trial for cost in costs], [cost.epoch * 1e3 for cost in costs]
    return [
        BenchmarkResult("f", "a trial", "s", trials, Target("at most", 0.25), details),
        BenchmarkResult("f", "an epoch", "ms", epochs, Target("at most", 20)),
        *measure_growth(setup, 200 if setup.quick else GROWTH_TRIALS),
    ]


def measure_growth(setup: BenchmarkSetup, trials: int) -> list[BenchmarkResult]:
    """Measure one study of so many trials: the last fifth beside trials 600 to 1,000.

    The first hundreds do not count, because the study runs faster than MLflow records it. Memory
    counts in the second half, because MLflow caches the artifact locations of 1,024 runs.
    """
    with start_warm_worker() as process:
        (times,) = process.submit(run_empty_studies, setup.folder / "grown", [(trials, 5)]).result()
    monitor, early, tenth = times.monitor, min(1000, trials), trials // 10
    first = monitor.measure_ms_per_trial(early * 6 // 10, early)
    last = monitor.measure_ms_per_trial(trials * 8 // 10, trials)
    slices = [monitor.measure_ms_per_trial(n * tenth + 1, (n + 1) * tenth) for n in range(10)]
    numbers = [number for number in monitor.memory_by_trials if number > trials / 2]
    memory = [monitor.memory_by_trials[number] / 1e3 for number in numbers]
    details = {
        "trials": trials,
        "ms a trial by tenths": slices,
        "bytes by trials": monitor.memory_by_trials,
    }
    slope = float(np.polyfit(numbers, memory, 1)[0])
    what = f"a trial at {trials} over one at {early}"
    return [
        BenchmarkResult("g", what, "x", [last / first], Target("at most", 1.2), details),
        BenchmarkResult("g", "driver memory a trial", "KB", [slope], Target("at most", 20)),
    ]


def run_empty_studies(folder: Path, sizes: Sequence[StudyShape]) -> "list[EmptyStudyTimes]":
    """Run a study of each size, one after another, with one Ray session and one store."""
    store = open_store(str(folder / "mlruns"))
    with open_ray_session(None):
        return [run_empty_study(store, folder / "studies", *size) for size in sizes]


def train_nothing(config: dict[str, Any], faces: SharedStudyData, options: TrialOptions) -> None:  # noqa: ARG001
    """Report and write checkpoints as `train_trial` does, but train nothing.

    The score rises with the trial's number, so that ASHA decides at each rung but prunes no trial.
    """
    number = config["number"]
    confusion = np.random.default_rng(number).integers(0, 100, (len(EMOTIONS), len(EMOTIONS)))
    scores = Scores(1.0, confusion)
    directory = checkpoint_directory(options.shared_dir, number)
    for epoch in range(1, options.epochs + 1):
        score = 1 - 1 / (2 + number + epoch / (options.epochs + 1))
        metrics = {**build_epoch_metrics(scores, scores, EMOTIONS), METRIC: score}
        directory.write(checkpoint.FILE, CHECKPOINT)
        report_epoch(EpochResult(epoch, metrics, confusion.tolist()), options.metric)


@dataclass(frozen=True)
class EmptyStudyTimes:
    """Times of a study whose trials train nothing.

    study_seconds: until the last trial has ended.
    recorded_seconds: until MLflow has everything.
    """

    trials: int
    epochs: int
    study_seconds: float
    recorded_seconds: float
    monitor: TrialEndObserver


def run_empty_study(
    store: Store, folder: Path, trials: int, epochs: int, space: str = "paper"
) -> EmptyStudyTimes:
    """Run a study of `trials` with `epochs` each, recorded in `store`; Ray must be connected."""
    settings = _make_settings(f"overhead-{trials}-{epochs}-{time.time_ns()}", trials, epochs, space)
    resources = allocate_resources([detect_machine()], trials, ResourceRequest())
    place = StudyStorage(str(folder)).write_settings(settings)
    context = RunResources(place, DiskDirectory(place), resources, resources.concurrent)
    monitor, records = TrialEndObserver(), TrialRecords(metric=settings.metric)
    with (
        Path(os.devnull).open("w") as devnull,
        BackgroundWriter(
            store, _make_study_info(settings), EventLogReader(context.local_dir)
        ) as writer,
        closing(EventLog(context.local_dir)) as event_log,
        LiveTable(Console(file=devnull), settings, records) as table,
    ):
        pruner = CheckpointPruner(context.shared_dir, records, settings)
        observers: list[Observer] = [event_log, writer, table, pruner, monitor]
        run_study(settings, {}, context, records, observers, train_nothing)
        study = time.monotonic() - monitor.start_time
        missing = writer.close("finished")
        assert missing is None, missing
    return EmptyStudyTimes(trials, epochs, study, time.monotonic() - monitor.start_time, monitor)


@dataclass(frozen=True)
class OverheadFit:
    """Fitted wall seconds of a study, a trial and an epoch until recorded, with the raw runs."""

    study: float
    trial: float
    epoch: float
    runs: list[dict[str, float]]


def _fit_overhead(times: Sequence[EmptyStudyTimes]) -> OverheadFit:
    """Fit the wall seconds of the studies by least squares."""
    sizes = np.array([[1, s.trials, s.trials * s.epochs] for s in times])
    (study, trial, epoch), *_ = np.linalg.lstsq(sizes, [s.recorded_seconds for s in times])
    runs = [
        {
            "trials": s.trials,
            "epochs": s.epochs,
            "study s": s.study_seconds,
            "recorded s": s.recorded_seconds,
        }
        for s in times
    ]
    return OverheadFit(float(study), float(trial), float(epoch), runs)


def _make_settings(name: str, trials: int, epochs: int, space: str) -> StudySettings:
    return StudySettings(
        name=name,
        space_name=space,
        space=load_space(find_space_file(space)),
        data=None,
        skip_bad=False,
        faces_hash="0",
        train_faces=None,
        trials=trials,
        epochs=epochs,
        grace=1,
        reduction=3,
        metric=METRIC,
        seed=0,
        tracking_uri=None,
    )


def _make_study_info(settings: StudySettings) -> StudyInfo:
    return StudyInfo(
        name=settings.name,
        space=settings.space.to_yaml(),
        command="python -m benchmarks overhead",
        classes=EMOTIONS,
        source="no faces",
        faces_hash=settings.faces_hash,
        protocol="nothing is trained",
        seed=settings.seed,
        metric=settings.metric,
        settings={"epochs": settings.epochs},
    )


def main(trials: int) -> None:
    """Print how cost and memory grow over so many trials."""
    with tempfile.TemporaryDirectory(prefix="bench-overhead-") as folder:
        for row in measure_growth(BenchmarkSetup(None, 1, Path(folder), False, print), trials):
            print(f"{row.what}: {row.median:.3g} {row.unit} ({row.target})")
            print(*row.details.items(), sep="\n")


if __name__ == "__main__":
    # Imported by its own name, because workers cannot import from __main__.
    from benchmarks import trial_overhead as this

    this.main(int(sys.argv[1]))
