"""Faces and training steps of an epoch, which differ between data plans and batch sizes."""

from collections.abc import Mapping
from dataclasses import replace

from fer_tune.data.faces import Splits
from fer_tune.data.resampling import BALANCED_COPIES, DATA_PLANS, count_epoch_faces
from fer_tune.data.subsample import sample_training_split
from fer_tune.report.load_study import ReportedStudy
from fer_tune.study.records.trial_record import TrialRecord
from fer_tune.trial_config import count_steps_per_epoch

# Share of the faces by which a balanced data set may differ from the original one.
_NEGLIGIBLE_SHARE = 0.05


def count_training_steps(study: ReportedStudy, splits: Splits) -> ReportedStudy:
    """Return the study with the faces and steps an epoch of all plans and trials.

    They are counted from the faces, because earlier versions did not record them.

    splits: the study's faces.
    """
    labels = sample_training_split(splits, study.run.train_faces, seed=0).train.labels
    faces: dict[str, int] = {plan: count_epoch_faces(plan, labels) for plan in DATA_PLANS}
    trials = list[TrialRecord]()
    for trial in study.trials:
        count = faces[trial.config.data_plan]
        if trial.config.labels == "without_suspects":  # their list may not be at hand
            count = trial.faces_per_epoch or count
        steps = trial.steps_per_epoch or count_steps_per_epoch(count, trial.config)
        trials.append(replace(trial, faces_per_epoch=count, steps_per_epoch=steps))
    return replace(study, trials=trials, faces_by_plan=faces)


def get_faces_by_plan(study: ReportedStudy) -> Mapping[str, int]:
    """Return the faces an epoch of each data plan for which they are known."""
    whole = [trial for trial in study.trials if trial.config.labels != "without_suspects"]
    recorded = {trial.config.data_plan: trial.faces_per_epoch or 0 for trial in whole}
    return study.faces_by_plan or {plan: faces for plan, faces in recorded.items() if faces}


def has_equal_classes(faces: Mapping[str, int]) -> bool:
    """Return whether all classes have nearly as many training faces; False if it is unknown.

    faces: faces an epoch by data plan.
    """
    original, copies = faces.get("original", 0), {"balanced": BALANCED_COPIES, "oversampled": 0}
    balanced_sets = [faces[plan] / (1 + copies[plan]) for plan in copies.keys() & faces.keys()]
    limit = _NEGLIGIBLE_SHARE * original
    return bool(balanced_sets) and all(abs(size - original) <= limit for size in balanced_sets)
