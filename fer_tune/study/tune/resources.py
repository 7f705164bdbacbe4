"""How a machine or a cluster is divided among trials."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from fer_tune.common.errors import UserError
from fer_tune.common.text import pluralize


@dataclass(frozen=True)
class Machine:
    """What there is to divide: whole CPU cores and GPUs."""

    cores: int
    gpus: int


@dataclass(frozen=True)
class ResourceAllocation:
    """What one trial gets, and how many run at once.

    gpus: of one trial; a fraction shares a GPU between trials, its memory too.
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
class ResourceRequest:
    """What the user asked for; None leaves it to `allocate_resources`.

    gpus: "auto" is what None is, until `measured` has found out better.
    """

    concurrent: int | None = None
    cpus: int | None = None
    gpus: float | Literal["auto"] | None = None


def detect_machine() -> Machine:
    """The cores that this process may use (container limits counted) and the GPUs torch sees."""
    import torch

    return Machine(count_cores(), torch.cuda.device_count())


def count_cores() -> int:
    """The cores that this process may use, container limits counted."""
    import joblib

    return int(joblib.cpu_count())


def allocate_resources(
    machines: Sequence[Machine], trials: int, request: ResourceRequest
) -> ResourceAllocation:
    """Fill in what the user left open.

    Without a GPU each trial gets one core, or more where there are fewer trials than cores: two
    trials of one core each beat one of two. With GPUs each trial gets a quarter of one.

    Raises UserError where a trial asks for more than any machine has.
    """
    if not any(each.cores for each in machines):
        raise UserError("no machine of the cluster has a core for trials; start its workers first")
    gpus = request.gpus
    if gpus is None or gpus == "auto":
        gpus = 0.25 if any(each.gpus for each in machines) else 0.0
    _check_gpus(gpus, max(each.gpus for each in machines))
    at_once = min(request.concurrent or trials, trials)
    most = max(each.cores for each in machines)
    shared = sum(each.cores for each in machines) // at_once
    cpus = request.cpus or (1 if gpus else max(1, min(shared, most)))
    if cpus > most:
        raise UserError(f"--cpus-per-trial {cpus}: there are only {most} cores on a machine")
    room = sum(_count_fitting_trials(each, cpus, gpus) for each in machines)
    if not room:
        raise UserError(f"no machine has the {cpus} cores and {gpus:g} GPUs that a trial asks for")
    return ResourceAllocation(min(at_once, room), cpus, gpus)


def _count_fitting_trials(machine: Machine, cpus: int, gpus: float) -> int:
    """Trials that fit on a machine at once."""
    room = machine.cores // cpus
    if not gpus:
        return room
    # Trials do not straddle GPUs: 0.3 of one makes three trials a GPU.
    return min(room, machine.gpus * int(1 / gpus) if gpus < 1 else machine.gpus // int(gpus))


def _check_gpus(gpus: float, available: int) -> None:
    if gpus > available:
        raise UserError(f"--gpus-per-trial {gpus:g}: there are {available} GPUs")
    if gpus > 1 and gpus != int(gpus):
        raise UserError(f"--gpus-per-trial {gpus:g}: above one, only whole GPUs can be given")
