import io

import numpy as np
import pytest
from rich.console import Console

from fer_tune.common.errors import UserError
from fer_tune.data.faces import Faces, Splits
from fer_tune.terminal.formatting import (
    format_duration,
    format_mean_and_std,
    format_metric_name,
    show_data_source,
)


@pytest.mark.parametrize("number", [7, 100])
def test_every_class_is_printed_with_its_faces_in_80_columns(number: int) -> None:
    labels = np.repeat(np.arange(number), 1200 // number)
    train, held_out = (
        Faces(np.zeros((len(own), 48, 48), np.uint8), own) for own in (labels, np.arange(number))
    )
    classes = tuple(f"class {label}" for label in range(number))
    splits = Splits(classes, train, held_out, held_out, "faces.zip", "All train.")
    console = Console(file=io.StringIO(), width=80)
    show_data_source(console, splits)
    assert isinstance(console.file, io.StringIO)
    lines = console.file.getvalue().splitlines()
    assert max(map(len, lines)) <= 80
    for name in classes:
        assert sum(f"{name} {1200 // number}/1/1" in line for line in lines) == 1


def test_the_sample_of_training_faces_is_printed_with_its_classes() -> None:
    labels = np.repeat([0, 1], [300, 100])
    faces = Faces(np.zeros((400, 48, 48), np.uint8), labels)
    splits = Splits(("calm", "cross"), faces, faces, faces, "faces.zip", "400 faces train.")
    console = Console(file=io.StringIO(), width=200)
    show_data_source(console, splits, train_faces=40)
    assert isinstance(console.file, io.StringIO)
    text = console.file.getvalue()
    assert "400 faces train. With --train-faces, 40 of 400 train" in text
    assert "calm 30/300/300" in text
    assert "cross 10/100/100" in text


def test_a_sample_without_a_face_of_every_class_is_refused_before_anything_starts() -> None:
    faces = Faces(np.zeros((9, 48, 48), np.uint8), np.arange(9) % 3)
    splits = Splits(("a", "b", "c"), faces, faces, faces, "faces.zip", "All train.")
    with pytest.raises(UserError, match="cannot draw 2 faces of 3 classes"):
        show_data_source(Console(file=io.StringIO()), splits, train_faces=2)


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
