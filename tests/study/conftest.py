from collections.abc import Callable

import pytest

from fer_tune.events import Ending
from fer_tune.scoring.metrics import EpochResult
from fer_tune.study.records.settings import StudySettings
from fer_tune.study.records.trial_record import TrialRecord
from fer_tune.study.search_space.load_space import parse_space
from fer_tune.trial_config import TrialConfig
from tests.settings import make_settings

SPACE = """
parameters:
  learning_rate: {type: float, low: 1.0e-5, high: 1.0e-2, log: true}
  depth: {type: int, low: 1, high: 5}
fixed: {width: 8}
first_trials:
  - {depth: 2}
"""


CONDITIONAL = """
parameters:
  learning_rate: {type: float, low: 1.0e-5, high: 1.0e-2, log: true}
  schedule: {type: choice, values: [constant, cosine]}
  mixup: {type: float, low: 0.1, high: 0.4, when: {schedule: cosine}}
first_trials:
  - {schedule: cosine, mixup: 0.3}
"""


@pytest.fixture
def conditional() -> StudySettings:
    """As `settings`; mixup is there only where the schedule is a cosine."""
    return make_settings("tested", "conditional", parse_space(CONDITIONAL, "conditional.yaml"))


@pytest.fixture
def settings() -> StudySettings:
    """A study of ten trials, nine epochs at most, ASHA's rungs at 1, 3 and 9."""
    return make_settings("tested", "tested", parse_space(SPACE, "tested.yaml"))


@pytest.fixture
def record() -> Callable[..., TrialRecord]:
    """Makes a trial that has reported these scores, one an epoch."""

    def trial(number: int, *scores: float, ending: Ending | None = None) -> TrialRecord:
        history = [
            EpochResult(epoch, {"val/macro_f1": score}, [])
            for epoch, score in enumerate(scores, start=1)
        ]
        config = TrialConfig(learning_rate=1e-3, depth=number % 5 + 1)
        return TrialRecord(number, f"{number:03d}", config, history, ending)

    return trial
