import torch

from fer_tune.data.trial_data import TrialData
from fer_tune.trial.train_state import TrainState, TrialSpec, init_state

CPU = torch.device("cpu")


def fresh(task: TrialSpec, faces: TrialData) -> TrainState:
    """Return the state of a trial before its first epoch."""
    return init_state(task, len(faces.training.faces), len(faces.classes), CPU)
