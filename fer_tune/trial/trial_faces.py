"""The training faces of one trial, after its data plan and without suspects. No torch."""

from fer_tune.data.faces import Faces
from fer_tune.data.leave_out_suspects import count_faces_without_suspects, leave_out_suspects
from fer_tune.data.resampling import count_epoch_faces
from fer_tune.data.trial_data import TrialData
from fer_tune.trial_config import TrialConfig


def select_trial_faces(data: TrialData, config: TrialConfig) -> TrialData:
    """Return the faces that a trial trains on and is scored on.

    data: the faces of the trial's data plan.
    """
    if config.labels != "without_suspects":
        return data
    return leave_out_suspects(data, config.suspect_share)


def count_trial_faces(train: Faces, seed: int, config: TrialConfig) -> int:
    """Return how many faces an epoch of a trial has, without making augmented copies.

    train, seed: as for `build_trial_data`.
    """
    if config.labels != "without_suspects":
        return count_epoch_faces(config.data_plan, train.labels)
    return count_faces_without_suspects(config.data_plan, train, seed, config.suspect_share)
