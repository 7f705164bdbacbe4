"""The settings of a study that most tests need one of and few care about."""

from typing import Any

from fer_tune.study.records.settings import StudySettings
from fer_tune.study.search_space.space import SearchSpace


def made(name: str, space_name: str, space: SearchSpace, **own: Any) -> StudySettings:
    """Ten trials of nine epochs at most, ASHA's rungs at 1, 3 and 9, where `own` says nothing."""
    usual = {
        "data": None,
        "skip_bad": False,
        "faces_hash": "0",
        "train_faces": None,
        "trials": 10,
        "epochs": 9,
        "grace": 1,
        "reduction": 3,
        "metric": "val/macro_f1",
        "seed": 0,
        "tracking_uri": None,
    }
    return StudySettings(name=name, space_name=space_name, space=space, **(usual | own))
