"""The faces of a study, made once for all of its trials."""

from collections.abc import Mapping

from fer_tune.data.faces import Splits
from fer_tune.data.plans import PlanName
from fer_tune.data.sample import stratified_sample
from fer_tune.study.settings import StudySettings
from fer_tune.training.faces import TrialFaces, trial_faces

StudyFaces = Mapping[PlanName, TrialFaces]


def study_faces(splits: Splits, settings: StudySettings) -> StudyFaces:
    """The faces of a trial by its data plan, for every plan that the space may ask for.

    Raises UserError where `train_faces` is too small to hold every class.
    """
    size = settings.train_faces or len(splits.train)
    train = stratified_sample(splits.train, size, settings.seed)
    plans = settings.space.plans()
    return {plan: trial_faces(splits, train, plan, settings.seed) for plan in plans}
