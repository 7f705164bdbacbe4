"""The faces of a study, made once for all of its trials."""

import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from fer_tune.data.faces import Splits
from fer_tune.data.resampling import COPY_SELECTORS, DataPlan
from fer_tune.data.subsample import draw_stratified_sample
from fer_tune.data.trial_data import TrialData, build_trial_data
from fer_tune.study.records.settings import StudySettings

StudyData = Mapping[DataPlan, TrialData]
SharedStudyData = Mapping[DataPlan, Any]  # see `put_study_data`


def build_study_data(splits: Splits, settings: StudySettings) -> StudyData:
    """The faces of a trial by its data plan, for every plan that the space may ask for.

    Those of a plan are made when they are first asked for: copies take seconds.
    Raises UserError where `train_faces` is too small to hold every class.
    """
    size = settings.train_faces or len(splits.train)
    train = draw_stratified_sample(splits.train, size, settings.seed)
    # It travels to other processes, where nobody has any business with the test faces.
    used = replace(splits, train=train, test=splits.test.take(np.arange(0)))
    return _LazyStudyData(used, settings.space.data_plans(), settings.seed)


class _LazyStudyData(StudyData):
    def __init__(self, splits: Splits, plans: Sequence[DataPlan], seed: int) -> None:
        self._splits, self._plans, self._seed = splits, plans, seed
        self._made: dict[DataPlan, TrialData] = {}

    def __getitem__(self, plan: DataPlan) -> TrialData:
        if plan not in self._plans:
            raise KeyError(plan)
        if plan not in self._made:
            self._made[plan] = build_trial_data(self._splits, self._splits.train, plan, self._seed)
        return self._made[plan]

    def __iter__(self) -> Iterator[DataPlan]:
        return iter(self._plans)

    def __len__(self) -> int:
        return len(self._plans)


def put_study_data(faces: StudyData) -> SharedStudyData:
    """The faces as workers get them, for `get_trial_data`.

    Plans that make copies are on their way still: a process beside the first trials makes them.
    """
    import ray

    make = ray.remote(num_cpus=0)(_build_trial_data)
    there = ray.put(faces) if any(plan in COPY_SELECTORS for plan in faces) else None
    return {
        plan: make.remote(there, plan) if plan in COPY_SELECTORS else faces[plan] for plan in faces
    }


def get_trial_data(faces: SharedStudyData, plan: DataPlan) -> TrialData:
    """What `put_study_data` has for the plan; waits for it where it is not made yet."""
    import ray

    own = faces[plan]
    own = ray.get(own) if isinstance(own, ray.ObjectRef) else own
    assert isinstance(own, TrialData)
    return own


def _build_trial_data(faces: StudyData, plan: DataPlan) -> TrialData:
    os.nice(10)  # the trials that can train go first
    return faces[plan]
