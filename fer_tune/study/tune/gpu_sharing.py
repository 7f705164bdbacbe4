"""How many trials get the most out of one GPU together, found out by letting some share it."""

import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from fer_tune.common.errors import UserError
from fer_tune.data.faces import Faces
from fer_tune.data.resampling import TrainingFaces
from fer_tune.data.trial_data import TrialData
from fer_tune.scoring.metrics import EpochResult
from fer_tune.study.tune.failure import is_out_of_memory
from fer_tune.study.tune.resources import Machine, ResourceRequest
from fer_tune.study.tune.shared_data import StudyData
from fer_tune.trial_config import BASELINE

if TYPE_CHECKING:
    import torch

TRIAL_COUNTS = (1, 2, 4, 8)  # tried at once, in this order
MIN_SPEEDUP = 1.1  # by which more trials at once must be faster together to be worth their memory
MEASURE_SECONDS = 3.0  # that each number of trials is watched
TIMEOUT_SECONDS = 60.0  # seconds until the share must be free
MAX_TRAINING_FACES, MAX_EVALUATION_FACES = (
    8192,
    1024,
)  # faces of an epoch, so that many epochs fit in


@dataclass(frozen=True)
class Throughput:
    """Trials at once, and the training faces a second that they get through together."""

    trials: int
    faces_per_second: float


def resolve_gpu_share(
    request: ResourceRequest, machines: Sequence[Machine], faces: StudyData
) -> tuple[ResourceRequest, Sequence[Throughput]]:
    """`wanted` with the part of a GPU at which trials share it best, and the rates that say so.

    Without "auto" or a GPU there is nothing to find out. Raises UserError where no trial runs.
    """
    machine = next((each for each in machines if each.gpus), None)
    if request.gpus != "auto" or machine is None:
        return request, ()
    cores = max(1, machine.cores // machine.gpus)
    found = measure_throughputs(
        faces[BASELINE.data_plan], {"CPU": min(cores, TRIAL_COUNTS[-1]), "GPU": 1}
    )
    return replace(request, gpus=1 / choose_best_throughput(found).trials), found


def measure_throughputs(faces: TrialData, bundle: Mapping[str, float]) -> list[Throughput]:
    """Train the paper's configuration once, twice, ... at a time, each in a process of its own.

    Ends at the first number for which cores or memory do not suffice. Needs Ray to be connected.

    faces: of the paper's trial; a part of them is used.
    there: what the trials share on one machine: whole cores as "CPU", and one "GPU" or none.
    Raises UserError where they get no such share, or it is too small for one trial.
    """
    import ray
    from ray.util.placement_group import placement_group, remove_placement_group

    group = placement_group([dict(bundle)])
    try:
        ray.get(group.ready(), timeout=TIMEOUT_SECONDS)
        found = list(_measure_in_group(faces, bundle, group))
    except ray.exceptions.GetTimeoutError as error:
        raise UserError(f"--gpus-per-trial auto: no machine has {bundle} free") from error
    finally:
        remove_placement_group(group)  # ends the processes in it
    if not found:
        raise UserError("--gpus-per-trial auto: the GPU has no memory for a trial")
    return found


def choose_best_throughput(throughputs: Sequence[Throughput]) -> Throughput:
    """The fewest trials that are about as fast together as any number of them."""
    fastest = max(rate.faces_per_second for rate in throughputs)
    return next(rate for rate in throughputs if rate.faces_per_second * MIN_SPEEDUP >= fastest)


def _measure_in_group(
    faces: TrialData, bundle: Mapping[str, float], group: Any
) -> Iterator[Throughput]:
    import ray
    from ray.util.scheduling_strategies import PlacementGroupSchedulingStrategy

    most = int(bundle["CPU"])
    trial = ray.remote(_BenchmarkTrial).options(
        num_cpus=1,
        num_gpus=bundle.get("GPU", 0) / most,
        scheduling_strategy=PlacementGroupSchedulingStrategy(group),
    )
    part = ray.put(_take_subset(faces))
    running: list[Any] = []
    for trials in (number for number in TRIAL_COUNTS if number <= most):
        running += [trial.remote(part) for _ in range(trials - len(running))]
        try:
            for seconds in (0, MEASURE_SECONDS):  # the first epoch is slower
                together = ray.get(
                    [each.measure_throughput.remote(seconds, 1 / trials) for each in running]
                )
        except Exception as error:
            if is_out_of_memory(error):
                return
            raise
        yield Throughput(trials, sum(together))


class _BenchmarkTrial:
    """A trial that trains as long as it is told."""

    def __init__(self, faces: TrialData) -> None:
        self._faces = faces
        self._epochs: Iterator[EpochResult] | None = None

    def measure_throughput(self, seconds: float, share: float) -> float:
        """Training faces a second over as many epochs as it takes, at least one.

        share: of the GPU's memory that the trial may take.
        """
        from fer_tune.trial.device import pick_device

        # Not where the process begins: Ray would tell of too little memory as of its death.
        device = pick_device(share)
        self._epochs = self._epochs or self._start_training(device)
        began, epochs = time.perf_counter(), 0
        while not epochs or time.perf_counter() - began < seconds:
            next(self._epochs)
            epochs += 1
        return epochs * len(self._faces.training.faces) / (time.perf_counter() - began)

    def _start_training(self, device: "torch.device") -> Iterator[EpochResult]:
        import torch

        from fer_tune.trial.train_state import TrialSpec, init_state
        from fer_tune.trial.training_loop import fit

        torch.set_num_threads(1)
        faces, task = self._faces, TrialSpec(BASELINE, sys.maxsize, seed=0)
        state = init_state(task, len(faces.training.faces), len(faces.classes), device)
        return fit(task, state, faces, device)


def _take_subset(faces: TrialData) -> TrialData:
    return TrialData(
        TrainingFaces(_take_first(faces.training.faces, MAX_TRAINING_FACES)),
        _take_first(faces.train_sample, MAX_EVALUATION_FACES),
        _take_first(faces.validation, MAX_EVALUATION_FACES),
        faces.classes,
    )


def _take_first(faces: Faces, limit: int) -> Faces:
    return faces.take(np.arange(min(limit, len(faces))))
