"""What the faces of one more trial at once take."""

import os
import time
from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import Path
from statistics import median
from typing import Any

from benchmarks.benchmark_faces import FULL, bench_splits, repeated
from benchmarks.benchmark_result import Row, Setup, Target
from benchmarks.processes import held_by_trials, one_process
from benchmarks.study_speed import Size
from benchmarks.tracking_overhead import equal_study
from fer_tune.data.faces import Splits
from fer_tune.study.records.event_log import EventLog
from fer_tune.study.records.settings import create_study_directory
from fer_tune.study.tune.ray_session import open_ray_session
from fer_tune.study.tune.resources import ResourceAllocation
from fer_tune.study.tune.shared_data import SharedStudyData, build_study_data
from fer_tune.study.tune.trainable import TrialOptions, train_trial
from fer_tune.study.tune.tuner import RunContext, run_study

FEW = 2_000
JUDGED = 256  # validation faces with many as with few
# Of the most that is ever held; with less, not all trials have begun, or one has ended.
TRAINING = 0.8
EVERY = 0.1  # seconds between two looks
# A network so small that what it computes does not hide what the faces take.
SMALL = {"depth": 5, "width": 4, "hidden_1": 8, "hidden_2": 8, "batch_size": 32}


@dataclass(frozen=True)
class Held:
    """A study whose memory is looked at.

    faces: that train.
    """

    faces: int
    at_once: int

    @property
    def epochs(self) -> int:
        """So many that few faces are trained on in as many steps."""
        return 2 * -(-FULL // self.faces)


def memory(setup: Setup) -> list[Row]:
    """The second trial's memory with FER2013's number of faces, less that with few faces.

    What torch itself takes is in both and cancels out.
    """
    full = 2 * FEW if setup.quick else FULL
    samples, details = [], []
    for repeat in range(setup.repeats):
        megabytes = {
            held: _megabytes(setup, held)
            for held in (Held(faces, at_once) for faces in (full, FEW) for at_once in (1, 2))
        }
        second = {n: megabytes[Held(n, 2)] - megabytes[Held(n, 1)] for n in (full, FEW)}
        samples.append(second[full] - second[FEW])
        details.append(
            {f"{held.faces} faces, {held.at_once}": megabytes[held] for held in megabytes}
        )
        setup.say(
            f"memory: {repeat + 1}/{setup.repeats} the second trial takes {second[full]:.0f} MB "
            f"with {full:,} faces, {second[FEW]:.0f} MB with {FEW}"
        )
    what = f"memory of one more trial at once for its {full:,} faces"
    return [Row("h", what, "MB", samples, Target("at most", 10), {"pss_mb": details})]


def _megabytes(setup: Setup, held: Held) -> float:
    """What the study's trials hold together while they train: the median of many looks."""
    folder = setup.folder / str(time.time_ns())
    with one_process() as process:
        driver = process.submit(os.getpid).result()
        job = process.submit(run, setup.faces, held, folder)
        looks = []
        while not job.done():
            looks.append(held_by_trials(driver) / 1e6)
            time.sleep(EVERY)
        job.result()
    return median(look for look in looks if look > TRAINING * max(looks))


def run(path: Path | None, held: Held, folder: Path) -> None:
    """A study of as many trials as run at once, in this process."""
    splits = _held_to(bench_splits(path), held.faces)
    settings = equal_study(splits, Size(held.at_once, held.epochs, held.faces))
    faces = build_study_data(splits, settings)
    place = RunContext.on_this_machine(
        create_study_directory(folder, settings), ResourceAllocation(held.at_once, 1, 0)
    )
    with open_ray_session(None), closing(EventLog(place.local_dir)) as journal:
        run_study(settings, faces, place, [journal], train_small)


def train_small(config: dict[str, Any], faces: SharedStudyData, options: TrialOptions) -> None:
    """What Ray calls for a trial here."""
    train_trial({**config, "trial": {**config["trial"], **SMALL}}, faces, options)


def _held_to(splits: Splits, size: int) -> Splits:
    judged = repeated(splits.validation, JUDGED)
    return replace(splits, train=repeated(splits.train, size), validation=judged)
