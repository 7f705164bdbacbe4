"""Settings of a study, for tests to which most of them do not matter."""

from typing import Any

from fer_tune.study.records.settings import StudySettings
from fer_tune.study.search_space.space import SearchSpace


def make_settings(name: str, space_name: str, space: SearchSpace, **changes: Any) -> StudySettings:
    """Return settings: ten trials of nine epochs, ASHA's rungs at 1, 3 and 9, unless changed.

    changes: fields of StudySettings.
    """
    defaults = {
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
    return StudySettings(name=name, space_name=space_name, space=space, **(defaults | changes))
