"""A configuration trained to its full length, then tested, once."""

import warnings
from collections.abc import Callable
from dataclasses import dataclass

from fer_tune.data.faces import Faces
from fer_tune.folder import Folder
from fer_tune.model import FerNet
from fer_tune.training import checkpoint
from fer_tune.training.device import pick_device
from fer_tune.training.faces import TrialFaces
from fer_tune.training.loop import OnDevice, evaluate, fit
from fer_tune.training.metrics import EpochResult, Scores, best_result
from fer_tune.training.state import Task, fresh_state


@dataclass(frozen=True, eq=False)
class Final:
    """A trained network at its best epoch.

    best: the epoch that the validation faces chose.
    test: that epoch's weights on the test faces, which chose nothing.
    """

    model: FerNet
    best: EpochResult
    test: Scores


def train_and_test(
    task: Task,
    faces: TrialFaces,
    test: Faces,
    folder: Folder,
    on_epoch: Callable[[EpochResult], None],
    say: Callable[[str], None] = warnings.warn,
) -> Final:
    """Train as `task` says, keep the best epoch's weights, and score them on the test faces.

    folder: holds a checkpoint after each epoch, from which the same call goes on where it was
        stopped; `on_epoch` is then told of the earlier epochs again.
    say: is told why a checkpoint could not be used.
    Raises Diverged where a loss becomes NaN or infinite.
    """
    device = pick_device()
    count, classes = len(faces.training.faces), len(faces.classes)
    state = checkpoint.go_on(lambda: fresh_state(task, count, classes, device), folder, say)
    for result in state.history:
        on_epoch(result)
    for result in fit(task, state, faces, device):
        checkpoint.save(state, folder)
        on_epoch(result)
    best = best_result(state.history, task.metric)
    assert best is not None
    state.model.load_state_dict(state.best_weights)
    scores = evaluate(state.model, OnDevice.of(test, device), classes)
    return Final(state.model, best, scores)
