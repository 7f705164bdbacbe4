"""How a machine or a cluster is divided among trials."""

from dataclasses import dataclass
from typing import Literal

from fer_tune.errors import UserError


@dataclass(frozen=True)
class Machine:
    """What there is to divide: whole CPU cores and GPUs."""

    cores: int
    gpus: int


@dataclass(frozen=True)
class Resources:
    """What one trial gets, and how many run at once.

    gpus: of one trial; a fraction shares a GPU between trials (its time, not its memory).
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


def divide(machine: Machine, trials: int, wanted: Wanted) -> Resources:
    """Fill in what the user left open.

    Without a GPU each trial gets one core, or more where there are fewer trials than cores: two
    trials of one core each beat one of two. With GPUs each trial gets a quarter of one.

    Raises UserError where a trial asks for more than there is.
    """
    gpus = wanted.gpus
    if gpus is None or gpus == "auto":
        gpus = 0.25 if machine.gpus else 0.0
    _check_gpus(gpus, machine)
    at_once = min(wanted.concurrent or trials, trials)
    cpus = wanted.cpus or (1 if gpus else max(1, machine.cores // at_once))
    if cpus > machine.cores:
        raise UserError(f"--cpus-per-trial {cpus}: there are only {machine.cores} cores")
    room = machine.cores // cpus
    if gpus:
        # Trials do not straddle GPUs: 0.3 of one makes three trials a GPU.
        room = min(room, machine.gpus * int(1 / gpus) if gpus < 1 else machine.gpus // int(gpus))
    return Resources(min(at_once, room), cpus, gpus)


def _check_gpus(gpus: float, machine: Machine) -> None:
    if gpus > machine.gpus:
        raise UserError(f"--gpus-per-trial {gpus:g}: there are {machine.gpus} GPUs")
    if gpus > 1 and gpus != int(gpus):
        raise UserError(f"--gpus-per-trial {gpus:g}: above one, only whole GPUs can be given")
