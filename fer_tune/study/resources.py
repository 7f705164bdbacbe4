"""How a machine or a cluster is divided among trials."""

from dataclasses import dataclass

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


def this_machine() -> Machine:
    """The cores that this process may use (container limits counted) and the GPUs torch sees."""
    import joblib
    import torch

    return Machine(joblib.cpu_count(), torch.cuda.device_count())


def divide(
    machine: Machine,
    trials: int,
    concurrent: int | None = None,
    cpus: int | None = None,
    gpus: float | None = None,
) -> Resources:
    """Fill in what the user left open.

    Without a GPU each trial gets one core, or more where there are fewer trials than cores: two
    trials of one core each beat one of two. With GPUs each trial gets a quarter of one.

    Raises UserError where a trial asks for more than there is.
    """
    if gpus is None:
        gpus = 0.25 if machine.gpus else 0
    if gpus > machine.gpus:
        raise UserError(
            f"--gpus-per-trial {gpus:g}: there are {machine.gpus} GPUs here; ask for at most that"
        )
    if gpus > 1 and gpus != int(gpus):
        raise UserError(f"--gpus-per-trial {gpus:g}: above one GPU, only whole GPUs can be given")
    if cpus is None:
        by_cores = machine.cores // max(1, min(concurrent or trials, machine.cores))
        cpus = 1 if gpus else max(1, by_cores)
    if cpus > machine.cores:
        raise UserError(
            f"--cpus-per-trial {cpus}: there are {machine.cores} cores here; ask for at most that"
        )
    room = machine.cores // cpus
    if gpus:
        room = min(room, int(machine.gpus / gpus) if gpus <= 1 else int(machine.gpus // gpus))
    return Resources(min(concurrent or trials, room, trials), cpus, gpus)
