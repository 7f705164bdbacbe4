from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike
from rich.console import Console

from fer_tune.data.faces import EMOTIONS
from fer_tune.retrain import score_tables
from fer_tune.scoring import paper_results
from fer_tune.scoring.evaluation import Evaluation
from fer_tune.scoring.metrics import EpochResult


def _evaluate(classes: Sequence[str], confusion: ArrayLike) -> Evaluation:
    return Evaluation.from_confusion(classes, confusion)


def _text(table: object) -> str:
    console = Console(width=80)
    with console.capture() as capture:
        console.print(table)
    return capture.get()


def test_the_papers_macro_means_are_those_of_its_rows() -> None:
    rows = np.array(list(paper_results.TEST_BY_CLASS.values()))
    np.testing.assert_allclose(rows[:-1].mean(axis=0), rows[-1], atol=0.012)


def test_every_class_has_the_papers_scores_beside_it() -> None:
    tests = [_evaluate(EMOTIONS, np.diag([10] * 7)), _evaluate(EMOTIONS, np.full((7, 7), 2))]
    lines = _text(score_tables.build_class_table(tests)).splitlines()
    assert [line.split()[0] for line in lines[2:-1]] == list(EMOTIONS)
    assert lines[2].split() == [
        *("angry", "0.57", "±", "0.61", "0.57", "±", "0.61", "0.57", "±", "0.61"),
        *("10", "0.45", "0.43", "0.44"),
    ]


def test_other_classes_have_no_scores_of_the_paper() -> None:
    test = _evaluate(["cat", "dog"], np.diag([3, 4]))
    lines = _text(score_tables.build_class_table([test])).splitlines()
    assert lines[2].split() == ["cat", "1.00", "1.00", "1.00", "3", "-", "-", "-"]


def test_one_seed_has_no_spread() -> None:
    best = EpochResult(1, {"train/accuracy": 0.9, "val/accuracy": 0.6}, [])
    text = _text(
        score_tables.build_overall_table([best], [_evaluate(["cat", "dog"], [[3, 1], [1, 3]])], {})
    )
    assert "±" not in text
    assert "0.300" in text  # the gap
    assert "0.750" in text
    assert "0.456" in text  # the paper's


def test_further_accuracies_stand_below_the_plain_one() -> None:
    best = [EpochResult(1, {"train/accuracy": 0.9, "val/accuracy": 0.6}, [])] * 2
    tests = [_evaluate(["cat", "dog"], [[3, 1], [1, 3]])] * 2
    lines = _text(
        score_tables.build_overall_table(best, tests, {"- flipped": [0.7, 0.8]})
    ).splitlines()
    plain = next(index for index, line in enumerate(lines) if line.startswith("test accuracy"))
    assert lines[plain + 1].split() == ["-", "flipped", "0.750", "±", "0.071", "-"]
