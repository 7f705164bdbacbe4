"""How a machine or a cluster is divided among trials."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from fer_tune.common.errors import UserError


@dataclass(frozen=True)
class Machine:
    """What there is to divide: whole CPU cores and GPUs."""

    cores: int
    gpus: int


@dataclass(frozen=True)
class Resources:
    """What one trial gets, and how many run at once.

    gpus: of one trial; a fraction shares a GPU between trials, its memory too.
    """

    concurrent: int
    cpus: int
    gpus: float

    def __str__(self) -> str:
        shares = [_counted(self.cpus, "core")]
        if self.gpus:
            shares.append(_counted(self.gpus, "GPU"))
        return f"{_counted(self.concurrent, 'trial')} at once, each with {' and '.join(shares)}"


def _counted(count: float, noun: str) -> str:
    return f"{count:g} {noun}{'' if count == 1 else 's'}"


@dataclass(frozen=True)
class Wanted:
    """What the user asked for; None leaves it to `divide`.

    gpus: "auto" is what None is, until `measured` has found out better.
    """

    concurrent: int | None = None
    cpus: int | None = None
    gpus: float | Literal["auto"] | None = None


def this_machine() -> Machine:
    """The cores that this process may use (container limits counted) and the GPUs torch sees."""
    import torch

    return Machine(own_cores(), torch.cuda.device_count())


def own_cores() -> int:
    """The cores that this process may use, container limits counted."""
    import joblib

    return int(joblib.cpu_count())


def divide(machines: Sequence[Machine], trials: int, wanted: Wanted) -> Resources:
    """Fill in what the user left open.

    Without a GPU each trial gets one core, or more where there are fewer trials than cores: two
    trials of one core each beat one of two. With GPUs each trial gets a quarter of one.

    Raises UserError where a trial asks for more than any machine has.
    """
    if not any(each.cores for each in machines):
        raise UserError("no machine of the cluster has a core for trials; start its workers first")
    gpus = wanted.gpus
    if gpus is None or gpus == "auto":
        gpus = 0.25 if any(each.gpus for each in machines) else 0.0
    _check_gpus(gpus, max(each.gpus for each in machines))
    at_once = min(wanted.concurrent or trials, trials)
    most = max(each.cores for each in machines)
    shared = sum(each.cores for each in machines) // at_once
    cpus = wanted.cpus or (1 if gpus else max(1, min(shared, most)))
    if cpus > most:
        raise UserError(f"--cpus-per-trial {cpus}: there are only {most} cores on a machine")
    room = sum(_room(each, cpus, gpus) for each in machines)
    if not room:
        raise UserError(f"no machine has the {cpus} cores and {gpus:g} GPUs that a trial asks for")
    return Resources(min(at_once, room), cpus, gpus)


def _room(machine: Machine, cpus: int, gpus: float) -> int:
    """Trials that fit on a machine at once."""
    room = machine.cores // cpus
    if not gpus:
        return room
    # Trials do not straddle GPUs: 0.3 of one makes three trials a GPU.
    return min(room, machine.gpus * int(1 / gpus) if gpus < 1 else machine.gpus // int(gpus))


def _check_gpus(gpus: float, most: int) -> None:
    if gpus > most:
        raise UserError(f"--gpus-per-trial {gpus:g}: there are {most} GPUs")
    if gpus > 1 and gpus != int(gpus):
        raise UserError(f"--gpus-per-trial {gpus:g}: above one, only whole GPUs can be given")
