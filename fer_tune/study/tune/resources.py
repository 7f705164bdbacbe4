"""Allocation of cores and GPUs to trials."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from fer_tune.common.disk_or_bucket import Directory
from fer_tune.common.errors import UserError
from fer_tune.common.safe_text import pluralize


@dataclass(frozen=True)
class Machine:
    """A machine's resources for trials: whole CPU cores and GPUs."""

    cores: int
    gpus: int


@dataclass(frozen=True)
class ResourceAllocation:
    """The resources of each trial, and the number of concurrent trials.

    concurrent: number of concurrent trials.
    cpus: CPU cores of one trial.
    gpus: GPUs of one trial; with a fraction, trials share a GPU and its memory.
    """

    concurrent: int
    cpus: int
    gpus: float

    def __str__(self) -> str:
        shares = [pluralize(self.cpus, "core")]
        if self.gpus:
            shares.append(pluralize(self.gpus, "GPU"))
        return f"{pluralize(self.concurrent, 'trial')} at once, each with {' and '.join(shares)}"


@dataclass(frozen=True)
class RunResources:
    """Where a study runs, and with which resources.

    local_dir: the study's folder on this machine, with its settings and event log.
    shared_dir: the folder for checkpoints, which every worker can access.
    max_concurrent: number of concurrent trials; None for as many as fit on a cluster, whose size
        may change.
    time_budget: seconds until the run ends; None for no limit.
    """

    local_dir: Path
    shared_dir: Directory
    resources: ResourceAllocation
    max_concurrent: int | None
    time_budget: float | None = None


@dataclass(frozen=True)
class ResourceRequest:
    """The resources that the user asks for, as in ResourceAllocation.

    None leaves the choice to `allocate_resources`; "auto" leaves it to `measure_gpu_share`.
    """

    concurrent: int | None = None
    cpus: int | None = None
    gpus: float | Literal["auto"] | None = None


def detect_machine() -> Machine:
    """Return the cores that this process may use, and the GPUs that torch sees."""
    import torch

    return Machine(count_cores(), torch.cuda.device_count())


def count_cores() -> int:
    """Return the number of cores that this process may use, within a container's limits."""
    import joblib

    return int(joblib.cpu_count())


def allocate_resources(
    machines: Sequence[Machine], trials: int, request: ResourceRequest
) -> ResourceAllocation:
    """Return the resources of each trial.

    By default, a trial gets a quarter of a GPU. Without GPUs it gets one core, as two trials with
    one core each are faster than one trial with two. It gets more if there are fewer trials than
    cores.

    trials: number of trials of the study.

    Raises UserError if a trial needs more than any machine has.
    """
    if not any(machine.cores for machine in machines):
        raise UserError("no machine of the cluster has a core for trials; start its workers")
    gpus = request.gpus
    if gpus is None or gpus == "auto":
        gpus = 0.25 if any(machine.gpus for machine in machines) else 0.0
    if gpus > (available := max(machine.gpus for machine in machines)):
        largest_has = f"the largest machine has {pluralize(available, 'GPU')}"
        raise UserError(f"--gpus-per-trial {gpus:g}: {largest_has}")
    if gpus > 1 and gpus != int(gpus):
        raise UserError(f"--gpus-per-trial {gpus:g}: above 1, only whole numbers are possible")
    concurrent = min(request.concurrent or trials, trials)
    largest = max(machine.cores for machine in machines)
    share = sum(machine.cores for machine in machines) // concurrent
    cpus = request.cpus or (1 if gpus else max(1, min(share, largest)))
    if cpus > largest:
        largest_has = f"the largest machine has {pluralize(largest, 'core')}"
        raise UserError(f"--cpus-per-trial {cpus}: {largest_has}")
    fitting = sum(_count_fitting_trials(machine, cpus, gpus) for machine in machines)
    if not fitting:
        needs = f"{pluralize(cpus, 'core')} and {pluralize(gpus, 'GPU')}"
        raise UserError(f"no machine has the {needs} that a trial needs")
    return ResourceAllocation(min(concurrent, fitting), cpus, gpus)


def _count_fitting_trials(machine: Machine, cpus: int, gpus: float) -> int:
    """Return the number of trials that fit on a machine."""
    by_cores = machine.cores // cpus
    if not gpus:
        return by_cores
    # No trial uses fractions of two GPUs: with 0.3 of a GPU, three trials fit on it.
    return min(by_cores, machine.gpus * int(1 / gpus) if gpus < 1 else machine.gpus // int(gpus))
