import pytest

from fer_tune.events import EpochEnded, TrialStarted
from fer_tune.scoring.metrics import EpochResult
from fer_tune.study.records.trial_record import TrialRecords, format_trial_label
from fer_tune.study.search_space.parameters import Point
from fer_tune.trial_config import BASELINE


@pytest.mark.parametrize(
    ("point", "label"),
    [
        ({"learning_rate": 3e-4, "dropout": 0.25, "depth": 4}, "007 lr 3e-4 depth 4"),
        ({"learning_rate": 3.14e-4, "depth": 3, "data_plan": "balanced"}, "007 lr 3.1e-4 balanced"),
        ({"schedule": "cosine", "batch_size": 64}, "007 cosine batch 64"),
        ({"weight_decay": 0.0507, "mixup": 0.136}, "007 decay 0.051 mixup 0.14"),
        ({"residual": True, "head": "average"}, "007 residual yes head average"),
        ({"dropout": 0.0, "hidden_1": 1024}, "007 drop 0 h1 1024"),
        ({"averaging": 99.9}, "007 ema 1e2"),
        ({"learning_rate": 9.99e-3}, "007 lr 1e-2"),
    ],
)
def test_a_trial_is_named_by_what_differs_from_the_baseline(point: Point, label: str) -> None:
    assert format_trial_label(7, point) == label


def test_the_first_trial_is_named_baseline() -> None:
    assert format_trial_label(0, {"learning_rate": 1e-4}) == "000 baseline"


def test_a_name_has_at_most_four_parameters() -> None:
    point: Point = {"depth": 5, "width": 16, "mixup": 0.1, "augmentation": 0.9, "hidden_2": 64}
    assert format_trial_label(3, point) == "003 depth 5 width 16 mixup 0.1 aug 0.9"


def test_a_trial_that_differs_in_nothing_that_varies_is_named_by_its_values() -> None:
    assert format_trial_label(1, {"learning_rate": 1e-4, "depth": 3}) == "001 lr 1e-4 depth 3"


def test_names_begin_with_three_digits_and_longer_numbers_are_whole() -> None:
    assert format_trial_label(1234, {"depth": 5}) == "1234 depth 5"


def test_only_the_best_epoch_of_a_trial_has_its_details_if_memory_is_saved() -> None:
    def make_epoch(number: int, sad: float) -> EpochEnded:
        metrics = {"val/macro_f1": 0.5, "gap": 0.1, "val_f1/happy": 0.7, "val_f1/sad": sad}
        return EpochEnded(number=0, result=EpochResult(number, metrics, [[1, 2], [3, 4]]))

    epochs = [make_epoch(n, sad) for n, sad in enumerate((0.2, 0.6, 0.6, 0.4), start=1)]
    # A repeated epoch does not count.
    records = TrialRecords([TrialStarted(number=0, name="", config=BASELINE)], "val_f1/sad")
    for event in (*epochs, make_epoch(2, 0.9)):
        records.on_event(event)
    record = records[0]
    assert record.find_best_epoch("val_f1/sad") == epochs[1].result
    for index in (0, 2, 3):
        result = record.history[index]
        sad = epochs[index].result.metrics["val_f1/sad"]
        assert result.metrics == {"val_f1/sad": sad}
        assert not result.confusion


def test_a_repeat_belongs_to_its_finalist_and_is_no_trial() -> None:
    records = TrialRecords([TrialStarted(number=3, name="003", config=BASELINE)])
    start = TrialStarted(number=2_000_003, name="003, seed 2", config=BASELINE, repeat_of=3)
    result = EpochResult(1, {"val/macro_f1": 0.5}, [])
    for event in (start, EpochEnded(number=2_000_003, result=result), start):
        records.on_event(event)
    (trial,), (repeat,) = records.to_list(), records.list_repeats()
    assert (trial.title, repeat.title) == ("trial 003", "finalist 003, seed 2")
    assert trial.repeats == [repeat]
    assert (len(trial.history), len(repeat.history)) == (0, 1)
