"""How many trials share a GPU best, measured in Ray's processes (`--gpus-per-trial auto`)."""

from collections.abc import Mapping, Sequence
from dataclasses import replace

from fer_tune.common.errors import UserError
from fer_tune.data.trial_data import TrialData
from fer_tune.study.tune.resources import Machine, ResourceRequest
from fer_tune.study.tune.shared_data import StudyData
from fer_tune.trial.gpu_sharing import (
    TRIAL_COUNTS,
    EndlessTrial,
    MeasureFunction,
    SharingSpeeds,
    choose_trial_count,
    measure_sharing,
    take_subset,
)
from fer_tune.trial_config import BASELINE

TIMEOUT_SECONDS = 60.0  # until Ray has the resources


def measure_gpu_share(
    request: ResourceRequest, machines: Sequence[Machine], faces: StudyData
) -> tuple[ResourceRequest, SharingSpeeds]:
    """Return the request with the best share of a GPU for "auto", and the measured speeds.

    Without "auto", or without a GPU, the request stays as it is.

    Raises UserError if the GPU has too little memory for a trial, or is not free.
    """
    machine = next((machine for machine in machines if machine.gpus), None)
    if request.gpus != "auto" or machine is None:
        return request, {}
    cores = min(max(1, machine.cores // machine.gpus), TRIAL_COUNTS[-1])
    speeds = measure_speeds(faces[BASELINE.data_plan], {"CPU": cores, "GPU": 1})
    return replace(request, gpus=1 / choose_trial_count(speeds)), speeds


def measure_speeds(faces: TrialData, bundle: Mapping[str, float]) -> SharingSpeeds:
    """Train the baseline once, twice, ... concurrently, each in its own process.

    It ends at the first number of trials with too few cores or too little memory. Ray must be
    connected.

    faces: of the baseline; some of them are used.
    bundle: resources on one machine that the trials share: whole cores as "CPU", and "GPU": 1 or
        none.

    Raises UserError if no machine has the resources free, or one trial does not fit.
    """
    import ray
    from ray.util.placement_group import placement_group, remove_placement_group
    from ray.util.scheduling_strategies import PlacementGroupSchedulingStrategy

    group, max_trials = placement_group([dict(bundle)]), int(bundle["CPU"])
    actor = ray.remote(EndlessTrial).options(
        num_cpus=1,
        num_gpus=bundle.get("GPU", 0) / max_trials,
        scheduling_strategy=PlacementGroupSchedulingStrategy(group),
    )

    def start_trial() -> MeasureFunction:
        trial = actor.remote(subset)
        return lambda seconds, share: trial.measure_speed.remote(seconds, share).future()

    try:
        ray.get(group.ready(), timeout=TIMEOUT_SECONDS)
        subset = ray.put(take_subset(faces))
        speeds = dict(measure_sharing(start_trial, max_trials))
    except ray.exceptions.GetTimeoutError as error:
        raise UserError(f"--gpus-per-trial auto: no machine has {bundle} free") from error
    finally:
        remove_placement_group(group)  # also ends the processes
    if not speeds:
        raise UserError("--gpus-per-trial auto: the GPU has too little memory for a trial")
    return speeds
