"""Overhead of tracking: a study with MLflow beside the same study without."""

import time
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path

from benchmarks.benchmark_faces import load_benchmark_splits
from benchmarks.benchmark_types import BenchmarkResult, BenchmarkSetup, Target
from benchmarks.processes import start_warm_worker
from benchmarks.run_studies import CONCURRENT, StudySize
from benchmarks.study_speed import EQUAL_SPACE, measure_wall_and_training
from fer_tune.common.disk_or_bucket import DiskDirectory
from fer_tune.data.faces import Splits
from fer_tune.events import Observer
from fer_tune.search.study_info import build_study_info
from fer_tune.study.records.event_log import EventLog, EventLogReader
from fer_tune.study.records.settings import StudySettings
from fer_tune.study.records.study_storage import StudyStorage
from fer_tune.study.records.trial_record import TrialRecords
from fer_tune.study.search_space.load_space import parse_space
from fer_tune.study.tune.ray_session import open_ray_session
from fer_tune.study.tune.resources import ResourceAllocation, RunResources
from fer_tune.study.tune.shared_data import build_data_by_plan
from fer_tune.study.tune.tuner import run_study
from fer_tune.tracking.background_writer import BackgroundWriter
from fer_tune.tracking.store import open_store


def measure_tracking_overhead(setup: BenchmarkSetup) -> list[BenchmarkResult]:
    """Run studies alternately with and without MLflow, each in a fresh process."""
    size = StudySize(2, 2, 300) if setup.quick else StudySize(4, 3, 3_000)
    ratios, details = [], []
    for repeat in range(setup.repeats):
        seconds: dict[bool, float] = {}
        shares: dict[bool, float] = {}
        for recorded in (True, False):
            folder = setup.folder / f"{repeat}-{recorded}"
            with start_warm_worker() as process:
                job = process.submit(run_equal_study, setup.faces, size, folder, recorded)
                seconds[recorded], training = job.result()
            shares[recorded] = seconds[recorded] / training
        ratios.append(seconds[True] / seconds[False])
        # This ratio excludes changes in training speed, which MLflow does not cause.
        ratio = shares[True] / shares[False]
        details.append({"with_s": seconds[True], "without_s": seconds[False], "by_training": ratio})
        setup.report_progress(
            f"tracking: {repeat + 1}/{setup.repeats} "
            f"with MLflow {seconds[True]:.1f} s, without {seconds[False]:.1f} s"
        )
    what = "study with MLflow, over the same study without"
    return [BenchmarkResult("e", what, "x", ratios, Target("at most", 1.03), {"studies": details})]


def run_equal_study(
    path: Path | None, size: StudySize, folder: Path, with_mlflow: bool
) -> tuple[float, float]:
    """Run a study of trials of equal length in this process.

    Returns the seconds from the first trial's start until all is recorded. Also returns the seconds
    of training, divided by the number of trials at once.
    """
    splits = load_benchmark_splits(path)
    settings = make_equal_settings(splits, size)
    faces = build_data_by_plan(splits, settings)
    place = StudyStorage(str(folder)).write_settings(settings)
    resources = ResourceAllocation(min(CONCURRENT, size.trials), 1, 0)
    context = RunResources(place, DiskDirectory(place), resources, resources.concurrent)
    with open_ray_session(None), closing(EventLog(context.local_dir)) as event_log:
        observers: Sequence[Observer] = [event_log]
        writer = None
        if with_mlflow:
            store = open_store(str(folder / "mlruns"))
            info = build_study_info(settings, splits, "python -m benchmarks tracking")
            writer = BackgroundWriter(store, info, EventLogReader(context.local_dir))
            observers = [event_log, writer]
        run_study(settings, faces, context, TrialRecords(), observers)
        ended = time.time()
        if writer:
            writer.close("finished")
        closing_seconds = time.time() - ended
    wall, training = measure_wall_and_training(context.local_dir)
    return wall + closing_seconds, training


def make_equal_settings(splits: Splits, size: StudySize) -> StudySettings:
    """Return settings under which all trials have equal length and none is pruned."""
    return StudySettings(
        name="equal",
        space_name="equal",
        space=parse_space(EQUAL_SPACE, "equal"),
        data=splits.origin,
        skip_bad=False,
        faces_hash=splits.content_hash(),
        train_faces=size.faces,
        trials=size.trials,
        epochs=size.epochs,
        grace=size.epochs,
        reduction=2,
        metric="val/macro_f1",
        seed=0,
        tracking_uri=None,
    )
