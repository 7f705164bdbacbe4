"""The faces that one trial sees."""

from dataclasses import dataclass

from fer_tune.data.faces import Faces, Splits
from fer_tune.data.resampling import DataPlan, TrainingFaces, apply_data_plan
from fer_tune.data.subsample import draw_train_eval_sample


@dataclass(frozen=True, eq=False)
class TrialData:
    """What a trial trains on and what it is judged by; the test faces are not among them.

    sample: faces that it trains on, as they are, about as many as validation has (`balanced` may
        not have kept so many), on which the train scores are taken.
    validation: the same for every trial of a study.
    """

    training: TrainingFaces
    train_sample: Faces
    validation: Faces
    classes: tuple[str, ...]


def build_trial_data(splits: Splits, train: Faces, data_plan: DataPlan, seed: int) -> TrialData:
    """The faces of the trials that follow `plan`.

    train: the training faces, or the sample of them that the study is held to.
    """
    training = apply_data_plan(data_plan, train, seed)
    sample = draw_train_eval_sample(training, train, len(splits.validation))
    return TrialData(training, sample, splits.validation, splits.classes)
