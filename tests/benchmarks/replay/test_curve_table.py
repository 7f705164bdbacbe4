import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from benchmarks.replay.curve_table import CurveTable, load_curve_table
from fer_tune.common.errors import UserError
from fer_tune.study.search_space.load_space import parse_space
from fer_tune.study.search_space.space import SearchSpace
from tests.benchmarks.replay.conftest import AVERAGE, HIDDEN, SPACE, line


@pytest.fixture(scope="module")
def slope(tmp_path_factory: pytest.TempPathFactory) -> CurveTable:
    """Sixty configurations; the score grows with dropout and with the epoch."""
    rng = np.random.default_rng(0)
    lines = []
    for _ in range(60):
        dropout, rate = rng.uniform(0, 0.5), 10 ** rng.uniform(-5, -2)
        config = {**AVERAGE, "dropout": dropout, "learning_rate": rate}
        lines.append(line(config, [round(dropout * part, 4) for part in (0.5, 1)]))
    path = tmp_path_factory.mktemp("slope") / "table.jsonl"
    path.write_text("\n".join(map(json.dumps, lines)))
    return load_curve_table(path, parse_space(SPACE, "a test"))


def test_a_configuration_is_answered_by_what_the_table_says_of_others_like_it(
    slope: CurveTable,
) -> None:
    low, high = (slope.predict_curve({**AVERAGE, "dropout": each}) for each in (0.05, 0.45))
    assert max(low.scores) < 0.15 < 0.35 < max(high.scores)
    assert high.scores[0] == pytest.approx(high.scores[1] / 2, rel=0.01)
    assert high.seconds == pytest.approx((1.0, 1.0))


def test_the_table_says_how_well_it_knows_what_it_does_not_have(slope: CurveTable) -> None:
    assert 0.9 < slope.rank_correlation < 1


def test_the_best_is_one_that_an_answer_gives(slope: CurveTable) -> None:
    answers = [max(slope.predict_curve(config).scores) for config in slope.configs]
    assert slope.best_score == max(answers) < 0.5


def test_what_a_configuration_does_not_have_makes_no_difference(slope: CurveTable) -> None:
    assert slope.predict_curve({**AVERAGE, "hidden_1": 1024}) == slope.predict_curve(AVERAGE)


def test_what_diverged_scores_nothing_from_there_on(table: CurveTable) -> None:
    assert table.scores[3].tolist() == [0.05, 0, 0, 0]
    assert table.seconds[3].tolist() == [1, 1, 1, 1]


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
        load_curve_table(path, space)


def test_a_table_without_a_curve_is_refused(tmp_path: Path, space: SearchSpace) -> None:
    (path := tmp_path / "table.jsonl").touch()
    with pytest.raises(UserError, match="holds no learning curve"):
        load_curve_table(path, space)
