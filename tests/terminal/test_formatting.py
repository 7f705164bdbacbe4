import numpy as np
import pytest

from fer_tune.terminal.formatting import format_duration, format_mean_and_std, format_metric_name


def test_one_trial_has_no_standard_deviation() -> None:
    assert format_mean_and_std([0.5]) == "0.500"
    assert format_mean_and_std([0.4, 0.6]) == f"0.500 ± {np.std([0.4, 0.6], ddof=1):.3f}"


def test_durations_read_as_people_say_them() -> None:
    texts = [format_duration(seconds) for seconds in (5, 59.4, 61, 3599, 12_000)]
    assert texts == ["5 s", "59 s", "1 min", "1 h 0 min", "3 h 20 min"]


@pytest.mark.parametrize(
    ("metric", "name"),
    [
        ("val/macro_f1", "macro F1"),
        ("val/polarity_accuracy", "polarity accuracy"),
        ("gap", "gap"),
        ("train/loss", "train/loss"),
        ("val_f1/disgust", "disgust F1"),
        ("val_recall/sad", "sad recall"),
    ],
)
def test_metrics_have_names_for_people(metric: str, name: str) -> None:
    assert format_metric_name(metric) == name
