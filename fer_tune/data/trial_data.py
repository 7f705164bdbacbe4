"""The faces that one trial trains on and is scored on."""

from dataclasses import dataclass

from fer_tune.data.faces import Faces, Splits
from fer_tune.data.resampling import DataPlan, TrainingFaces, apply_data_plan
from fer_tune.data.subsample import draw_train_eval_sample


@dataclass(frozen=True, eq=False)
class TrialData:
    """The faces of a trial; the test faces are not among them.

    training: faces to train on.
    train_sample: some of these faces, not augmented, for the train scores. Their number is that
        of the validation faces, or less if the data plan dropped too many.
    validation: faces for the validation scores, the same for every trial of a study.
    """

    training: TrainingFaces
    train_sample: Faces
    validation: Faces
    classes: tuple[str, ...]


def build_trial_data(splits: Splits, train: Faces, data_plan: DataPlan, seed: int) -> TrialData:
    """Return the faces for trials with this data plan.

    train: the training split, or the study's sample of it.
    """
    training = apply_data_plan(data_plan, train, seed)
    sample = draw_train_eval_sample(training, train, len(splits.validation))
    return TrialData(training, sample, splits.validation, splits.classes)
