import json
from collections import Counter
from pathlib import Path
from unittest.mock import Mock

import numpy as np
import pytest
from numpy.typing import NDArray

from benchmarks.experiments import compare_data_plans
from benchmarks.experiments.compare_data_plans import format_table, main, train_with_plan
from fer_tune.data.faces import EMOTIONS
from fer_tune.data.load import load_splits
from fer_tune.data.resampling import DATA_PLANS
from fer_tune.trial import train_and_test
from tests.data.held import drawn_faces, write_csv


def make_line(plan: str, seed: int, accuracy: float) -> dict[str, object]:
    scores = {"accuracy": accuracy, "macro_f1": 0.5}
    return {
        "faces_hash": "others",
        "plan": plan,
        "seed": seed,
        "epochs": 20,
        "faces": 4796,
        "originals": 436,
        "train": {"accuracy": 0.9, "gap": 0.4},
        "test": scores,
        "papers_test": scores,
    }


def test_a_row_has_the_mean_and_standard_deviation_over_seeds() -> None:
    table = format_table([make_line("balanced", 0, 0.25), make_line("balanced", 1, 0.35)])
    row = table.splitlines()[-1]
    assert row.startswith("| balanced | 4,796 (436) | 38 | 0.900 ± 0.000 | 0.400 ± 0.000 |")
    assert "| 0.300 ± 0.071 |" in row


def test_a_plan_without_a_run_has_no_row() -> None:
    assert len(format_table([make_line("original", 0, 0.5)]).splitlines()) == 3


def test_recorded_runs_of_the_same_faces_are_not_trained_again(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    faces, out = write_csv(drawn_faces(), tmp_path), tmp_path / "balance.jsonl"
    own = {"faces_hash": load_splits(faces).content_hash()}
    ours = [make_line(plan, 0, 0.25) | own for plan in DATA_PLANS]
    others = [make_line(plan, seed, 0.75) for plan in DATA_PLANS for seed in (0, 1)]
    out.write_text("".join(json.dumps(line) + "\n" for line in ours + others))
    runs: list[tuple[object, ...]] = []
    monkeypatch.setattr(
        compare_data_plans,
        "run_in_pool_and_append",
        lambda _out, _run, missing, *_: runs.extend(missing),
    )
    main([str(faces), "--seeds", "2", "--out", str(out)])
    assert runs == [((faces, "near"), plan, 1, 20) for plan in DATA_PLANS]
    output = capsys.readouterr().out
    assert output.startswith("Equal epochs:\n")
    assert output.count("\n|") == 2 + len(DATA_PLANS)
    assert "0.250" in output
    assert "0.750" not in output


def test_a_run_is_scored_on_the_test_faces_and_on_balanced_ones(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    faces = write_csv(drawn_faces(), tmp_path)
    training, testing = (
        Mock(wraps=train_and_test.train_and_test),
        Mock(wraps=train_and_test.evaluate_classifier),
    )
    monkeypatch.setattr(compare_data_plans, "train_and_test", training)
    monkeypatch.setattr(compare_data_plans, "evaluate_classifier", testing)
    line = train_with_plan((faces, "near"), "balanced", seed=0, epochs=1)
    assert line["faces"] == line["originals"] * 11
    assert line["epoch"] == 1
    assert set(line["test"]) == set(line["papers_test"]) == {"accuracy", "macro_f1", *EMOTIONS}
    assert line["equal_steps"] == {key: line[key] for key in line["equal_steps"]}
    test = load_splits(faces).test
    assert _image_bytes(training.call_args.args[2].images) == _image_bytes(test.images)
    balanced = testing.call_args.args[1]
    rarest = int(np.bincount(test.labels).min())
    assert np.bincount(balanced.labels).tolist() == [11 * rarest] * len(EMOTIONS)
    counts = Counter(_image_bytes(balanced.images))
    assert sum(counts[face] for face in set(_image_bytes(test.images))) >= rarest * len(EMOTIONS)


def _image_bytes(images: NDArray[np.uint8]) -> list[bytes]:
    return [image.tobytes() for image in images]


def test_a_plan_with_longer_epochs_is_also_scored_within_the_steps_of_the_shortest(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    faces = write_csv(drawn_faces() + drawn_faces()[:5] * 40, tmp_path)  # a large class
    training = Mock(wraps=train_and_test.train_and_test)
    monkeypatch.setattr(compare_data_plans, "train_and_test", training)
    line = train_with_plan((faces, "near"), "balanced", seed=0, epochs=4)
    lengths = [call.args[0].epochs for call in training.call_args_list]
    assert lengths == [2, 4]
    assert line["equal_steps"]["epoch"] <= 2
    assert line["equal_steps"]["test"].keys() == line["test"].keys()
