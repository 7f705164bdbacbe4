import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from benchmarks.replay.nearest import Nearest
from benchmarks.replay.table import Table, read_table
from fer_tune.errors import UserError
from fer_tune.study.space import SearchSpace
from tests.benchmarks.replay.conftest import AVERAGE, HIDDEN, line


def test_a_configuration_of_the_table_is_answered_by_itself(table: Table) -> None:
    assert all(table.curve(each.config) == each for each in table.curves)


@pytest.mark.parametrize(
    ("config", "answer"),
    [
        ({**HIDDEN, "learning_rate": 2e-3}, 0),  # nearer in the logarithm alone
        ({**HIDDEN, "learning_rate": 4e-3}, 3),
        ({**AVERAGE, "dropout": 0.4}, 2),
        ({**AVERAGE, "learning_rate": 1e-2, "dropout": 0.2}, 1),
    ],
)
def test_another_is_answered_by_the_nearest(
    table: Table, config: dict[str, Any], answer: int
) -> None:
    assert table.curve(config) == table.curves[answer]


def test_what_a_configuration_does_not_have_makes_no_difference(table: Table) -> None:
    surplus = {**AVERAGE, "hidden_1": 1024}
    assert table.curve(surplus) == table.curve(AVERAGE)


def test_what_only_one_has_makes_as_much_difference_as_another_choice() -> None:
    parameters: dict[str, dict[str, Any]] = {
        "head": {"type": "choice", "values": ["hidden", "average"]},
        "units": {"type": "int", "low": 0, "high": 9, "when": {"head": ["hidden"]}},
        "dropout": {"type": "float", "low": 0.0, "high": 1.0},
    }
    average = {"head": "average", "dropout": 0.0}
    hidden = {"head": "hidden", "units": 9, "dropout": 0.0}
    nearest = Nearest(parameters, [average, hidden])
    assert nearest({"head": "hidden", "units": 0, "dropout": 0.9}) == 1


def test_what_explains_the_scores_counts_for_what_is_nearest(
    tmp_path: Path, space: SearchSpace
) -> None:
    rng = np.random.default_rng(0)
    lines = []
    for _ in range(60):
        dropout, rate = rng.uniform(0, 0.5), 10 ** rng.uniform(-5, -2)
        config = {**AVERAGE, "dropout": dropout, "learning_rate": rate}
        lines.append(line(config, [round(dropout, 4)]))
    (path := tmp_path / "table.jsonl").write_text("\n".join(map(json.dumps, lines)))
    learnt, even = (read_table(path, space, each) for each in (False, True))
    assert learnt.weights is not None
    assert sum(learnt.weights.values()) == pytest.approx(1)
    assert learnt.weights["dropout"] > 5 * learnt.weights["learning_rate"]
    assert learnt.likeness > even.likeness


@pytest.mark.parametrize(
    ("config", "own", "told"),
    [
        (HIDDEN, {"gaps": [0.1]}, "not of as many epochs"),
        (HIDDEN, {"seconds": [0.0, 1.0]}, "greater than 0"),
        (HIDDEN, {"scores": [0.1, 1.2]}, "less than or equal to 1"),
        ({**HIDDEN, "depth": 3}, {}, "parameters that the space lacks"),
        ({**AVERAGE, "hidden_1": 64}, {}, "do not exist beside the others"),
        ({**HIDDEN, "dropout": 0.6}, {}, "dropout: 0.6 is outside the space"),
        (
            {name: value for name, value in HIDDEN.items() if name != "dropout"},
            {},
            "dropout is missing",
        ),
    ],
)
def test_a_line_that_the_space_cannot_have_given_is_named(
    tmp_path: Path, space: SearchSpace, config: dict[str, Any], own: dict[str, Any], told: str
) -> None:
    lines = [line(AVERAGE, [0.1, 0.2]), line(config, [0.1, 0.2]) | own]
    (path := tmp_path / "table.jsonl").write_text("\n".join(map(json.dumps, lines)))
    with pytest.raises(UserError, match=f"table.jsonl, line 2: .*{told}"):
        read_table(path, space)


def test_a_table_without_a_curve_is_refused(tmp_path: Path, space: SearchSpace) -> None:
    (path := tmp_path / "table.jsonl").touch()
    with pytest.raises(UserError, match="holds no learning curve"):
        read_table(path, space)
