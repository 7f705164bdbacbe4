import torch

from fer_tune.data.trial_data import TrialFaces
from fer_tune.trial.train_state import State, Task, fresh_state

CPU = torch.device("cpu")


def fresh(task: Task, faces: TrialFaces) -> State:
    """The trial before its first epoch."""
    return fresh_state(task, len(faces.training.faces), len(faces.classes), CPU)
