import csv
import io
from collections.abc import Callable

from fer_tune.scoring.metrics import EpochResult
from fer_tune.study.ranking import find_pareto_front, format_pareto_front_csv
from fer_tune.study.records.settings import StudySettings
from fer_tune.study.records.trial_record import TrialRecord
from fer_tune.trial_config import TrialConfig

METRIC = "val/macro_f1"


def _trial(number: int, score: float, gap: float, **config: object) -> TrialRecord:
    metrics = {METRIC: score, "gap": gap, "val/accuracy": 0.5, "train/accuracy": 0.5 + gap}
    worse = metrics | {METRIC: score - 0.1, "gap": 0.0}
    history = [EpochResult(1, worse, []), EpochResult(2, metrics, [])]
    return TrialRecord(number, "", TrialConfig.model_validate(config), history, "stopped")


def test_a_trial_that_is_beaten_in_both_is_not_on_the_front() -> None:
    trials = [
        _trial(0, 0.6, 0.3),
        _trial(1, 0.5, 0.1),
        _trial(2, 0.4, 0.2),  # trial 1 is better in both
        _trial(3, 0.6, 0.4),  # trial 0 is as good, with a smaller gap
        _trial(4, 0.5, 0.1),  # as trial 1
        _trial(5, 0.2, 0.0),
    ]
    assert [each.number for each in find_pareto_front(trials, METRIC)] == [5, 1, 0]


def test_trials_without_an_epoch_make_no_front(record: Callable[..., TrialRecord]) -> None:
    assert find_pareto_front([record(0, ending="failed")], METRIC) == []


def test_the_csv_has_the_scores_and_parameters_of_each_trial(
    conditional: StudySettings,
) -> None:
    trials = [
        _trial(0, 0.5, 0.1),
        _trial(1, 0.6, 0.2, schedule="cosine", mixup=0.3, learning_rate=0.002),
    ]
    first, second = csv.DictReader(
        io.StringIO(format_pareto_front_csv(trials, METRIC, conditional.space))
    )
    assert first == {
        "trial": "0",
        "ended": "stopped",
        "epoch": "2",
        "val/macro_f1": "0.5",
        "gap": "0.1",
        "val/accuracy": "0.5",
        "train/accuracy": "0.6",
        "learning_rate": "0.0001",
        "schedule": "constant",
        "mixup": "",
    }
    assert (second["trial"], second["mixup"]) == ("1", "0.3")
