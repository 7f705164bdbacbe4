"""Memory that the faces of one more trial at once take."""

import os
import time
from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import Path
from statistics import median
from typing import Any

from benchmarks.benchmark_faces import FER2013_TRAIN_FACES, load_benchmark_splits, repeat_faces
from benchmarks.benchmark_types import BenchmarkResult, BenchmarkSetup, Target
from benchmarks.processes import start_warm_worker, sum_trial_memory
from benchmarks.run_studies import StudySize
from benchmarks.tracking_overhead import make_equal_settings
from fer_tune.common.disk_or_bucket import DiskDirectory
from fer_tune.data.faces import Splits
from fer_tune.study.records.event_log import EventLog
from fer_tune.study.records.study_storage import StudyStorage
from fer_tune.study.records.trial_record import TrialRecords
from fer_tune.study.tune.ray_session import open_ray_session
from fer_tune.study.tune.resources import ResourceAllocation, RunResources
from fer_tune.study.tune.shared_data import SharedStudyData, build_data_by_plan
from fer_tune.study.tune.trainable import TrialOptions, train_trial
from fer_tune.study.tune.tuner import run_study

FEW_FACES = 2_000
VALIDATION_FACES = 256  # the same with many and with few training faces
# Share of the peak; below it, not all trials are training.
TRAINING_SHARE = 0.8
POLL_SECONDS = 0.1
# So small that the network's memory does not hide the memory of the faces.
SMALL_NETWORK = {"depth": 5, "width": 4, "hidden_1": 8, "hidden_2": 8, "batch_size": 32}


@dataclass(frozen=True)
class MemoryCase:
    """Training faces of a study, and its trials at once."""

    faces: int
    concurrent: int

    @property
    def epochs(self) -> int:
        """Epochs, chosen so that each case has about as many training steps."""
        return 2 * -(-FER2013_TRAIN_FACES // self.faces)


def measure_memory_of_one_more_trial(setup: BenchmarkSetup) -> list[BenchmarkResult]:
    """Measure the second trial's memory with as many faces as FER2013, minus that with few.

    The memory of torch is in both and cancels out.
    """
    full = 2 * FEW_FACES if setup.quick else FER2013_TRAIN_FACES
    samples, details = [], []
    for repeat in range(setup.repeats):
        cases = [MemoryCase(faces, trials) for faces in (full, FEW_FACES) for trials in (1, 2)]
        megabytes = {case: _measure_megabytes(setup, case) for case in cases}
        second = {
            n: megabytes[MemoryCase(n, 2)] - megabytes[MemoryCase(n, 1)] for n in (full, FEW_FACES)
        }
        samples.append(second[full] - second[FEW_FACES])
        details.append({f"{c.faces} faces, {c.concurrent}": megabytes[c] for c in cases})
        setup.report_progress(
            f"memory: {repeat + 1}/{setup.repeats} the second trial takes {second[full]:.0f} MB "
            f"with {full:,} faces, {second[FEW_FACES]:.0f} MB with {FEW_FACES}"
        )
    what = f"memory for the {full:,} faces of one more trial at once"
    return [BenchmarkResult("h", what, "MB", samples, Target("at most", 10), {"pss_mb": details})]


def _measure_megabytes(setup: BenchmarkSetup, case: MemoryCase) -> float:
    """Return the median memory of a study's trials while all of them train."""
    folder = setup.folder / str(time.time_ns())
    with start_warm_worker() as process:
        driver = process.submit(os.getpid).result()
        job = process.submit(run_small_study, setup.faces, case, folder)
        megabytes = []
        while not job.done():
            megabytes.append(sum_trial_memory(driver) / 1e6)
            time.sleep(POLL_SECONDS)
        job.result()
    return median(size for size in megabytes if size > TRAINING_SHARE * max(megabytes))


def run_small_study(path: Path | None, case: MemoryCase, folder: Path) -> None:
    """Run a study in this process, with all its trials at once."""
    splits = _resize_splits(load_benchmark_splits(path), case.faces)
    settings = make_equal_settings(splits, StudySize(case.concurrent, case.epochs, case.faces))
    faces = build_data_by_plan(splits, settings)
    place = StudyStorage(str(folder)).write_settings(settings)
    resources = ResourceAllocation(case.concurrent, 1, 0)
    context = RunResources(place, DiskDirectory(place), resources, case.concurrent)
    with open_ray_session(None), closing(EventLog(context.local_dir)) as event_log:
        run_study(settings, faces, context, TrialRecords(), [event_log], train_small_trial)


def train_small_trial(
    config: dict[str, Any], faces: SharedStudyData, options: TrialOptions
) -> None:
    """Run a trial for Ray, with the small network."""
    train_trial({**config, "trial": {**config["trial"], **SMALL_NETWORK}}, faces, options)


def _resize_splits(splits: Splits, size: int) -> Splits:
    validation = repeat_faces(splits.validation, VALIDATION_FACES)
    return replace(splits, train=repeat_faces(splits.train, size), validation=validation)
