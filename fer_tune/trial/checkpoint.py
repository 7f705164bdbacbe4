"""The checkpoint of a trial: its state on disk, complete or not at all."""

import io
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict
from typing import Any
from zipfile import BadZipFile, ZipFile

import torch

from fer_tune.common.disk_or_bucket import Directory
from fer_tune.data.trial_data import TrialData
from fer_tune.model import FerNet
from fer_tune.scoring.metrics import EpochResult
from fer_tune.trial.delete_checkpoint import FILE as FILE
from fer_tune.trial.train_state import TrainState, TrialSpec, init_state
from fer_tune.trial.training_loop import fit

WarnFunction = Callable[[str], None]


class BadCheckpoint(Exception):
    """The error of a file that is broken, or belongs to another network."""


def save_state(state: TrainState, folder: Directory) -> None:
    """Write `state` into `folder`; the file is always complete. Raises OSError."""
    content = {
        "model": state.model.state_dict(),
        "optimizer": state.optimizer.state_dict(),
        "schedule": state.schedule.state_dict(),
        "average": state.ema_model and state.ema_model.state_dict(),
        "history": [asdict(result) for result in state.history],
        "best_weights": state.best_weights,
    }
    buffer = io.BytesIO()
    torch.save(content, buffer)
    folder.write(FILE, buffer.getbuffer())


def load_state(state: TrainState, folder: Directory) -> None:
    """Load the checkpoint in `folder` into a fresh `state`, without running code from the file.

    Raises FileNotFoundError without a checkpoint, OSError if the folder cannot be reached, and
    BadCheckpoint, after which `state` must not be used.
    """
    file = folder.read(FILE)
    with _convert_errors(folder):
        content = _read_content(file)
        state.model.load_state_dict(content["model"])
        state.optimizer.load_state_dict(content["optimizer"])
        state.schedule.load_state_dict(content["schedule"])
        if state.ema_model is not None:
            state.ema_model.load_state_dict(content["average"])
        state.history[:] = [EpochResult(**result) for result in content["history"]]
        state.best_weights = content["best_weights"]


def load_best_weights(model: FerNet, folder: Directory) -> None:
    """Load the best epoch's weights into a fresh `model`; raises as `load_state` does.

    It needs no optimizer, which takes seconds to create in a new process.
    """
    file = folder.read(FILE)
    with _convert_errors(folder):
        model.load_state_dict(_read_content(file)["best_weights"])


def _read_content(file: bytes) -> dict[str, Any]:
    buffer = io.BytesIO(file)
    with ZipFile(buffer) as archive:  # torch does not check the checksums
        if damaged := archive.testzip():
            raise BadZipFile(damaged)
    buffer.seek(0)
    content: dict[str, Any] = torch.load(buffer, map_location="cpu", weights_only=True)
    return content


@contextmanager
def _convert_errors(folder: Directory) -> Iterator[None]:
    try:
        yield
    except Exception as error:  # torch raises many kinds of errors for a broken file
        # Only the kind: the message may be empty, or have many lines.
        kind = type(error).__name__
        raise BadCheckpoint(f"{folder}/{FILE}: not a state of this trial ({kind})") from error


def load_or_init(
    spec: TrialSpec, data: TrialData, device: torch.device, folder: Directory, warn: WarnFunction
) -> TrainState:
    """Return the state in `folder`, or a fresh one if it has no usable checkpoint.

    warn: called with the reason if a checkpoint cannot be used.

    Raises OSError if the folder cannot be reached.
    """
    new = spec, len(data.training.faces), len(data.classes), device
    state = init_state(*new)
    try:
        load_state(state, folder)
    except FileNotFoundError:
        pass
    except BadCheckpoint as error:
        warn(str(error))
        return init_state(*new)
    return state


def fit_with_checkpoints(
    spec: TrialSpec, state: TrainState, data: TrialData, device: torch.device, folder: Directory
) -> Iterator[EpochResult]:
    """Yield the epochs of `state` again, then those of `fit`, each after its checkpoint."""
    yield from tuple(state.history)
    for result in fit(spec, state, data, device):
        save_state(state, folder)
        yield result
