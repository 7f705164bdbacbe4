"""What the faces of one more trial at once take."""

import os
import time
from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import Path
from statistics import median
from typing import Any

from benchmarks.benchmark_faces import FER2013_TRAIN_FACES, load_benchmark_splits, repeat_faces
from benchmarks.benchmark_result import BenchmarkResult, BenchmarkSetup, Target
from benchmarks.processes import start_process, sum_trial_memory
from benchmarks.study_speed import StudySize
from benchmarks.tracking_overhead import make_equal_settings
from fer_tune.data.faces import Splits
from fer_tune.study.records.event_log import EventLog
from fer_tune.study.records.settings import write_settings
from fer_tune.study.tune.ray_session import open_ray_session
from fer_tune.study.tune.resources import ResourceAllocation
from fer_tune.study.tune.shared_data import SharedStudyData, build_study_data
from fer_tune.study.tune.trainable import TrialOptions, train_trial
from fer_tune.study.tune.tuner import RunContext, run_study

FEW_FACES = 2_000
VALIDATION_FACES = 256  # validation faces with many as with few
# Of the most that is ever held; with less, not all trials have begun, or one has ended.
TRAINING_SHARE = 0.8
POLL_SECONDS = 0.1  # seconds between two looks
# A network so small that what it computes does not hide what the faces take.
SMALL_NETWORK = {"depth": 5, "width": 4, "hidden_1": 8, "hidden_2": 8, "batch_size": 32}


@dataclass(frozen=True)
class MemoryCase:
    """A study whose memory is looked at.

    faces: that train.
    """

    faces: int
    concurrent: int

    @property
    def epochs(self) -> int:
        """So many that few faces are trained on in as many steps."""
        return 2 * -(-FER2013_TRAIN_FACES // self.faces)


def measure_trial_memory(setup: BenchmarkSetup) -> list[BenchmarkResult]:
    """The second trial's memory with FER2013's number of faces, less that with few faces.

    What torch itself takes is in both and cancels out.
    """
    full = 2 * FEW_FACES if setup.quick else FER2013_TRAIN_FACES
    samples, details = [], []
    for repeat in range(setup.repeats):
        megabytes = {
            held: _measure_megabytes(setup, held)
            for held in (
                MemoryCase(faces, at_once) for faces in (full, FEW_FACES) for at_once in (1, 2)
            )
        }
        second = {
            n: megabytes[MemoryCase(n, 2)] - megabytes[MemoryCase(n, 1)] for n in (full, FEW_FACES)
        }
        samples.append(second[full] - second[FEW_FACES])
        details.append(
            {f"{held.faces} faces, {held.concurrent}": megabytes[held] for held in megabytes}
        )
        setup.report_progress(
            f"memory: {repeat + 1}/{setup.repeats} the second trial takes {second[full]:.0f} MB "
            f"with {full:,} faces, {second[FEW_FACES]:.0f} MB with {FEW_FACES}"
        )
    what = f"memory of one more trial at once for its {full:,} faces"
    return [BenchmarkResult("h", what, "MB", samples, Target("at most", 10), {"pss_mb": details})]


def _measure_megabytes(setup: BenchmarkSetup, case: MemoryCase) -> float:
    """What the study's trials hold together while they train: the median of many looks."""
    folder = setup.folder / str(time.time_ns())
    with start_process() as process:
        driver = process.submit(os.getpid).result()
        job = process.submit(run_small_study, setup.faces, case, folder)
        looks = []
        while not job.done():
            looks.append(sum_trial_memory(driver) / 1e6)
            time.sleep(POLL_SECONDS)
        job.result()
    return median(look for look in looks if look > TRAINING_SHARE * max(looks))


def run_small_study(path: Path | None, case: MemoryCase, folder: Path) -> None:
    """A study of as many trials as run at once, in this process."""
    splits = _resize_splits(load_benchmark_splits(path), case.faces)
    settings = make_equal_settings(splits, StudySize(case.concurrent, case.epochs, case.faces))
    faces = build_study_data(splits, settings)
    place = RunContext.on_this_machine(
        write_settings(folder, settings), ResourceAllocation(case.concurrent, 1, 0)
    )
    with open_ray_session(None), closing(EventLog(place.local_dir)) as journal:
        run_study(settings, faces, place, [journal], train_small_trial)


def train_small_trial(
    config: dict[str, Any], faces: SharedStudyData, options: TrialOptions
) -> None:
    """What Ray calls for a trial here."""
    train_trial({**config, "trial": {**config["trial"], **SMALL_NETWORK}}, faces, options)


def _resize_splits(splits: Splits, size: int) -> Splits:
    judged = repeat_faces(splits.validation, VALIDATION_FACES)
    return replace(splits, train=repeat_faces(splits.train, size), validation=judged)
