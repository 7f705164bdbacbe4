"""A trial's state on disk, whole or not at all."""

import logging
from collections.abc import Callable, Iterable
from dataclasses import asdict
from pathlib import Path

import torch

from fer_tune import atomic
from fer_tune.training.metrics import EpochResult
from fer_tune.training.state import State

FILE = "state.pt"

logger = logging.getLogger(__name__)


class BadCheckpoint(Exception):
    """The file is missing, broken, or of another network."""


def save(state: State, folder: Path) -> None:
    """Write `state` into `folder`: a file that is there is complete."""
    content = {
        "model": state.model.state_dict(),
        "optimizer": state.optimizer.state_dict(),
        "schedule": state.schedule.state_dict(),
        "history": [asdict(result) for result in state.history],
        "best_weights": state.best_weights,
    }
    with atomic.opened(folder / FILE) as file:
        torch.save(content, file)


def load(state: State, folder: Path) -> None:
    """Fill a fresh `state` from `folder`; no code in the file is run.

    Raises BadCheckpoint, after which `state` must not be used.
    """
    try:
        content = torch.load(folder / FILE, map_location="cpu", weights_only=True)
        state.model.load_state_dict(content["model"])
        state.optimizer.load_state_dict(content["optimizer"])
        state.schedule.load_state_dict(content["schedule"])
        state.history[:] = [EpochResult(**result) for result in content["history"]]
        state.best_weights = content["best_weights"]
    except Exception as problem:  # torch raises many kinds for a broken file
        # Its own words may run over many lines, or be none.
        kind = type(problem).__name__
        raise BadCheckpoint(f"{folder / FILE}: not a state of this trial ({kind})") from problem


def go_on(fresh: Callable[[], State], folders: Iterable[Path]) -> State:
    """The state of the first folder that holds a whole one, else a fresh one.

    A checkpoint that cannot be used is warned of, and the next folder tried.
    """
    for folder in folders:
        if (folder / FILE).exists():
            state = fresh()
            try:
                load(state, folder)
            except BadCheckpoint as problem:
                logger.warning("%s; starting from an earlier state", problem)
            else:
                return state
    return fresh()
