"""Short trainings for the tests, also in processes that they start."""

from unittest import mock

import torch

from fer_tune.data.trial_data import TrialData
from fer_tune.study.tune.failure import TrialFailure
from fer_tune.trial import cuda_graph
from fer_tune.trial.device import pick_device
from fer_tune.trial.train_state import TrainState, TrialSpec, init_state
from fer_tune.trial.training_loop import fit
from fer_tune.trial_config import TrialConfig

CPU = torch.device("cpu")


def make_state(spec: TrialSpec, faces: TrialData, device: torch.device) -> TrainState:
    """Return the state of a trial before its first epoch."""
    return init_state(spec, len(faces.training.faces), len(faces.classes), device)


def train(
    spec: TrialSpec,
    faces: TrialData,
    device: torch.device,
    *,
    graph: bool = False,
    state: TrainState | None = None,
    until: int | None = None,
) -> TrainState:
    """Train, with or without a CUDA graph, and return the state.

    state: where to begin (default: a new trial).
    until: epoch after which to stop (default: the last).
    """
    state = state or make_state(spec, faces, device)
    with mock.patch.object(cuda_graph, "MIN_STEPS_TO_RECORD", 1 if graph else 10**9):
        for result in fit(spec, state, faces, device):
            if result.epoch == until:
                break
    return state


def train_with_share(
    config: TrialConfig, share: float, faces: TrialData, epochs: int
) -> TrialFailure | None:
    """Train on a share of the GPU, and return a failure as a worker of a study reports it."""
    try:
        train(TrialSpec(config, epochs, seed=0), faces, pick_device(share))
    except Exception as error:
        return TrialFailure.from_error(error)
    return None


def allocate(share: float, sizes: list[int]) -> list[bool]:
    """Return for each number of bytes whether a share of the GPU has room for it."""
    device, fits = pick_device(share), []
    for size in sizes:
        try:
            torch.empty(size, dtype=torch.uint8, device=device)
            fits.append(True)
        except torch.OutOfMemoryError:
            fits.append(False)
        torch.cuda.empty_cache()
    return fits
