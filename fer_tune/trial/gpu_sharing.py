"""Speed of trials that share a GPU, each in its own process. Importing this does not import torch.

The caller starts the processes: `--gpus-per-trial auto` with Ray, `make gpu-check` without.
"""

import sys
import time
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Future
from typing import NamedTuple

import numpy as np

from fer_tune.data.resampling import TrainingFaces
from fer_tune.data.trial_data import TrialData
from fer_tune.scoring.metrics import EpochResult
from fer_tune.trial.gpu_errors import is_out_of_memory
from fer_tune.trial_config import BASELINE

TRIAL_COUNTS = (1, 2, 4, 8)  # concurrent trials to measure, in this order
MIN_SPEEDUP = 1.1  # more trials must be faster together by this factor, as they take more memory
MEASURE_SECONDS = 3.0  # for each number of trials
# Faces of an epoch, few enough for several epochs in that time.
MAX_TRAINING_FACES, MAX_EVALUATION_FACES = 8192, 1024


class SharingSpeed(NamedTuple):
    """The speed of one trial, or of several at once.

    faces_per_second: training faces a second, of all trials together.
    gpu_bytes: most memory of the GPU that one of the trials held.
    """

    faces_per_second: float
    gpu_bytes: int


# By the number of concurrent trials.
SharingSpeeds = Mapping[int, SharingSpeed]

# Of a started trial: `EndlessTrial.measure_speed`, called in the trial's process.
MeasureFunction = Callable[[float, float], Future[SharingSpeed]]


class EndlessTrial:
    """A trial of the baseline that trains without end."""

    def __init__(self, faces: TrialData) -> None:
        self._faces = faces
        self._epochs: Iterator[EpochResult] | None = None

    def measure_speed(self, seconds: float, share: float) -> SharingSpeed:
        """Train for so many seconds, at least one epoch.

        share: fraction of the GPU's memory that the trial may use.
        """
        import torch

        from fer_tune.trial.device import pick_device
        from fer_tune.trial.train_state import TrialSpec, init_state
        from fer_tune.trial.training_loop import fit

        # Not in __init__: Ray would report too little memory as the death of the actor.
        device, faces = pick_device(share), self._faces
        if self._epochs is None:
            torch.set_num_threads(1)
            spec = TrialSpec(BASELINE, sys.maxsize, seed=0)
            state = init_state(spec, len(faces.training.faces), len(faces.classes), device)
            self._epochs = fit(spec, state, faces, device)
        start, epochs = time.perf_counter(), 0
        while not epochs or time.perf_counter() - start < seconds:
            next(self._epochs)
            epochs += 1
        rate = epochs * len(faces.training.faces) / (time.perf_counter() - start)
        held = torch.cuda.max_memory_reserved() if device.type == "cuda" else 0
        return SharingSpeed(rate, held)


def measure_sharing(
    start_trial: Callable[[], MeasureFunction], max_trials: int
) -> Iterator[tuple[int, SharingSpeed]]:
    """Yield the speed of 1, 2, 4 and 8 concurrent trials, at most `max_trials`.

    It ends at the first number of trials for which the GPU has too little memory.

    start_trial: starts an `EndlessTrial` in a new process.
    """
    running: list[MeasureFunction] = []
    for count in (count for count in TRIAL_COUNTS if count <= max_trials):
        running += [start_trial() for _ in range(count - len(running))]
        try:
            for seconds in (0, MEASURE_SECONDS):  # the first epoch is slower
                pending = [measure(seconds, 1 / count) for measure in running]
                speeds = [future.result() for future in pending]
        except Exception as error:
            if is_out_of_memory(error):
                return
            raise
        rates, held = zip(*speeds, strict=True)
        yield count, SharingSpeed(sum(rates), max(held))


def choose_trial_count(speeds: SharingSpeeds) -> int:
    """Return the fewest trials whose speed is within MIN_SPEEDUP of the best."""
    fastest = max(speed.faces_per_second for speed in speeds.values())
    return next(n for n, own in speeds.items() if own.faces_per_second * MIN_SPEEDUP >= fastest)


def take_subset(faces: TrialData) -> TrialData:
    """Return so few faces that a measurement has several epochs."""
    limits = (
        (faces.training.faces, MAX_TRAINING_FACES),
        (faces.train_sample, MAX_EVALUATION_FACES),
        (faces.validation, MAX_EVALUATION_FACES),
    )
    training, sample, validation = (
        each.take(np.arange(min(limit, len(each)))) for each, limit in limits
    )
    return TrialData(TrainingFaces(training), sample, validation, faces.classes)
