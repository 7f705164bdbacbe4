"""The faces of a study, prepared once and shared by all of its trials."""

import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from fer_tune.data.faces import Splits
from fer_tune.data.resampling import PLANS_WITH_COPIES, DataPlan
from fer_tune.data.subsample import sample_training_split
from fer_tune.data.trial_data import TrialData, build_trial_data
from fer_tune.study.records.settings import StudySettings
from fer_tune.trial.trial_faces import count_trial_faces, select_trial_faces
from fer_tune.trial_config import TrialConfig

StudyData = Mapping[DataPlan, TrialData]
SharedStudyData = Mapping[DataPlan, Any]  # see `put_study_data`


def build_data_by_plan(splits: Splits, settings: StudySettings) -> StudyData:
    """Return the faces of a trial by data plan, for every plan of the space.

    The faces of a plan are prepared at each use, as copies take seconds.

    Raises UserError if `train_faces` is too small for a face of every class.
    """
    sampled = sample_training_split(splits, settings.train_faces, settings.seed)
    # Without the test faces: trials in other processes must not see them.
    visible = replace(sampled, test=splits.test.take(np.arange(0)))
    return _LazyStudyData(visible, settings.space.data_plans(), settings.seed)


@dataclass(frozen=True, eq=False)
class _LazyStudyData(StudyData):
    splits: Splits
    plans: Sequence[DataPlan]
    seed: int

    def __getitem__(self, plan: DataPlan) -> TrialData:
        if plan not in self.plans:
            raise KeyError(plan)
        return build_trial_data(self.splits, self.splits.train, plan, self.seed)

    def __iter__(self) -> Iterator[DataPlan]:
        return iter(self.plans)

    def __len__(self) -> int:
        return len(self.plans)


def count_faces(faces: StudyData, config: TrialConfig) -> int | None:
    """Return the number of faces in an epoch of a trial; no copies are prepared.

    None if other code than `build_data_by_plan` has made the faces.
    """
    if isinstance(faces, _LazyStudyData):
        return count_trial_faces(faces.splits.train, faces.seed, config)
    return None


def put_study_data(faces: StudyData) -> SharedStudyData:
    """Put the faces into Ray's object store, for `get_trial_data`.

    Another process prepares plans with copies while the first trials train.
    """
    import ray

    build = ray.remote(num_cpus=0)(_build_trial_data)
    stored = ray.put(faces) if any(plan in PLANS_WITH_COPIES for plan in faces) else None
    return {
        plan: build.remote(stored, plan) if plan in PLANS_WITH_COPIES else faces[plan]
        for plan in faces
    }


def get_trial_data(faces: SharedStudyData, config: TrialConfig) -> TrialData:
    """Return the faces of a trial; wait until those of its plan are prepared."""
    import ray

    data = faces[config.data_plan]
    data = ray.get(data) if isinstance(data, ray.ObjectRef) else data
    assert isinstance(data, TrialData)
    return select_trial_faces(data, config)


def _build_trial_data(faces: StudyData, plan: DataPlan) -> TrialData:
    os.nice(10)  # running trials have priority
    return faces[plan]
