"""Speed of trials, alone or sharing a GPU. Importing this does not import torch.

Trials that share a GPU have their own processes. The caller starts them: `--gpus-per-trial auto`
with Ray, `make gpu-check` without.
"""

import math
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
from fer_tune.trial_config import BASELINE, TrialConfig

TRIAL_COUNTS = (1, 2, 4, 8)  # concurrent trials to measure, in this order
MIN_SPEEDUP = 1.1  # more trials must be faster together by this factor, as they take more memory
MEASURE_SECONDS = 3.0  # for each number of trials
MAX_TRAINING_FACES = 8192  # of an epoch, few enough for several epochs in that time


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
    """A trial that trains without end.

    threads: CPU threads of the trial.
    """

    def __init__(self, faces: TrialData, config: TrialConfig = BASELINE, threads: int = 1) -> None:
        self._faces, self._config, self._threads = faces, config, threads
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
            torch.set_num_threads(self._threads)
            spec = TrialSpec(self._config, sys.maxsize, seed=0)
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


def take_subset(faces: TrialData, limit: int = MAX_TRAINING_FACES) -> TrialData:
    """Return at most `limit` training faces, and the same share of the others.

    A measurement then has several epochs, with as much evaluation as a real one.
    """
    share = min(1.0, limit / len(faces.training.faces))
    training, sample, validation = (
        each.take(np.arange(math.ceil(share * len(each))))
        for each in (faces.training.faces, faces.train_sample, faces.validation)
    )
    return TrialData(TrainingFaces(training), sample, validation, faces.classes)
