"""Measurement of how many trials share a GPU best (`--gpus-per-trial auto`)."""

import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from fer_tune.common.errors import UserError
from fer_tune.data.resampling import TrainingFaces
from fer_tune.data.trial_data import TrialData
from fer_tune.scoring.metrics import EpochResult
from fer_tune.study.tune.failure import is_out_of_memory
from fer_tune.study.tune.resources import Machine, ResourceRequest
from fer_tune.study.tune.shared_data import StudyData
from fer_tune.trial_config import BASELINE

TRIAL_COUNTS = (1, 2, 4, 8)  # concurrent trials to measure, in this order
MIN_SPEEDUP = 1.1  # more trials must be faster together by this factor, as they take more memory
MEASURE_SECONDS = 3.0  # for each number of trials
TIMEOUT_SECONDS = 60.0  # until Ray has the resources
# Faces of an epoch, few enough for several epochs in that time.
MAX_TRAINING_FACES, MAX_EVALUATION_FACES = 8192, 1024


# Training faces a second of all trials together, by the number of concurrent trials.
Throughputs = Mapping[int, float]


def measure_gpu_share(
    request: ResourceRequest, machines: Sequence[Machine], faces: StudyData
) -> tuple[ResourceRequest, Throughputs]:
    """Return the request with the best share of a GPU for "auto", and the measured throughputs.

    Without "auto", or without a GPU, the request stays as it is.

    Raises UserError if the GPU has too little memory for a trial, or is not free.
    """
    machine = next((machine for machine in machines if machine.gpus), None)
    if request.gpus != "auto" or machine is None:
        return request, {}
    cores = min(max(1, machine.cores // machine.gpus), TRIAL_COUNTS[-1])
    measured = measure_throughputs(faces[BASELINE.data_plan], {"CPU": cores, "GPU": 1})
    return replace(request, gpus=1 / choose_trial_count(measured)), measured


def measure_throughputs(faces: TrialData, bundle: Mapping[str, float]) -> Throughputs:
    """Train the baseline once, twice, ... concurrently, each in its own process.

    It ends at the first number of trials with too few cores or too little memory. Ray must be
    connected.

    faces: of the baseline; at most MAX_TRAINING_FACES are used.
    bundle: resources on one machine that the trials share: whole cores as "CPU", and "GPU": 1 or
        none.

    Raises UserError if no machine has the resources free, or one trial does not fit.
    """
    import ray
    from ray.util.placement_group import placement_group, remove_placement_group

    group = placement_group([dict(bundle)])
    try:
        ray.get(group.ready(), timeout=TIMEOUT_SECONDS)
        measured = dict(_measure_in_group(faces, bundle, group))
    except ray.exceptions.GetTimeoutError as error:
        raise UserError(f"--gpus-per-trial auto: no machine has {bundle} free") from error
    finally:
        remove_placement_group(group)  # also ends the processes
    if not measured:
        raise UserError("--gpus-per-trial auto: the GPU has too little memory for a trial")
    return measured


def choose_trial_count(throughputs: Throughputs) -> int:
    """Return the fewest trials whose throughput is within MIN_SPEEDUP of the best."""
    fastest = max(throughputs.values())
    return next(count for count, speed in throughputs.items() if speed * MIN_SPEEDUP >= fastest)


def _measure_in_group(
    faces: TrialData, bundle: Mapping[str, float], group: Any
) -> Iterator[tuple[int, float]]:
    import ray
    from ray.util.scheduling_strategies import PlacementGroupSchedulingStrategy

    max_trials = int(bundle["CPU"])
    actor = ray.remote(_BenchmarkTrial).options(
        num_cpus=1,
        num_gpus=bundle.get("GPU", 0) / max_trials,
        scheduling_strategy=PlacementGroupSchedulingStrategy(group),
    )
    subset = ray.put(_take_subset(faces))
    running: list[Any] = []
    for count in (count for count in TRIAL_COUNTS if count <= max_trials):
        running += [actor.remote(subset) for _ in range(count - len(running))]
        try:
            for seconds in (0, MEASURE_SECONDS):  # the first epoch is slower
                rates = [trial.measure_throughput.remote(seconds, 1 / count) for trial in running]
                total = sum(ray.get(rates))
        except Exception as error:
            if is_out_of_memory(error):
                return
            raise
        yield count, total


class _BenchmarkTrial:
    """A Ray actor that trains the baseline without end."""

    def __init__(self, faces: TrialData) -> None:
        self._faces = faces
        self._epochs: Iterator[EpochResult] | None = None

    def measure_throughput(self, seconds: float, share: float) -> float:
        """Return training faces a second, over at least one epoch.

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
        return epochs * len(faces.training.faces) / (time.perf_counter() - start)


def _take_subset(faces: TrialData) -> TrialData:
    limits = (
        (faces.training.faces, MAX_TRAINING_FACES),
        (faces.train_sample, MAX_EVALUATION_FACES),
        (faces.validation, MAX_EVALUATION_FACES),
    )
    training, sample, validation = (
        each.take(np.arange(min(limit, len(each)))) for each, limit in limits
    )
    return TrialData(TrainingFaces(training), sample, validation, faces.classes)
