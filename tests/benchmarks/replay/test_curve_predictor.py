import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from benchmarks.replay.curve_predictor import CurvePredictor, load_curve_table
from fer_tune.common.errors import UserError
from fer_tune.study.search_space.load_space import parse_space
from fer_tune.study.search_space.space import SearchSpace
from tests.benchmarks.replay.conftest import AVERAGE, HIDDEN, SPACE, make_line


@pytest.fixture(scope="module")
def slope(tmp_path_factory: pytest.TempPathFactory) -> CurvePredictor:
    """Return sixty configurations; the score grows with dropout and with the epoch."""
    rng = np.random.default_rng(0)
    lines = []
    for _ in range(60):
        dropout, rate = rng.uniform(0, 0.5), 10 ** rng.uniform(-5, -2)
        config = {**AVERAGE, "dropout": dropout, "learning_rate": rate}
        lines.append(make_line(config, [round(dropout * share, 4) for share in (0.5, 1)]))
    path = tmp_path_factory.mktemp("slope") / "table.jsonl"
    path.write_text("\n".join(map(json.dumps, lines)))
    return load_curve_table(path, parse_space(SPACE, "a test"))


def test_a_curve_is_predicted_from_similar_configurations(slope: CurvePredictor) -> None:
    low, high = (slope.predict_curve({**AVERAGE, "dropout": value}) for value in (0.05, 0.45))
    assert max(low.scores) < 0.15 < 0.35 < max(high.scores)
    assert high.scores[0] == pytest.approx(high.scores[1] / 2, rel=0.01)
    assert high.seconds == pytest.approx((1.0, 1.0))


def test_the_rank_correlation_measures_unseen_configurations(slope: CurvePredictor) -> None:
    assert 0.9 < slope.rank_correlation < 1


def test_the_best_score_is_a_predicted_score(slope: CurvePredictor) -> None:
    predicted = [max(slope.predict_curve(config).scores) for config in slope.configs]
    assert slope.best_score == max(predicted) < 0.5


def test_an_inactive_parameter_makes_no_difference(slope: CurvePredictor) -> None:
    assert slope.predict_curve({**AVERAGE, "hidden_1": 1024}) == slope.predict_curve(AVERAGE)


def test_a_diverged_curve_has_score_0_afterwards(table: CurvePredictor) -> None:
    assert table.scores[3].tolist() == [0.05, 0, 0, 0]
    assert table.seconds[3].tolist() == [1, 1, 1, 1]


@pytest.mark.parametrize(
    ("config", "changes", "message"),
    [
        (HIDDEN, {"gaps": [0.1]}, "different numbers of epochs"),
        (HIDDEN, {"seconds": [0.0, 1.0]}, "greater than 0"),
        (HIDDEN, {"scores": [0.1, 1.2]}, "less than or equal to 1"),
        ({**HIDDEN, "depth": 3}, {}, "parameters that the space does not have"),
        ({**AVERAGE, "hidden_1": 64}, {}, "inactive in this configuration"),
        ({**HIDDEN, "dropout": 0.6}, {}, "dropout: 0.6 is outside the space"),
        (
            {name: value for name, value in HIDDEN.items() if name != "dropout"},
            {},
            "dropout is missing",
        ),
    ],
)
def test_a_line_that_is_no_curve_of_the_space_is_named(
    tmp_path: Path,
    space: SearchSpace,
    config: dict[str, Any],
    changes: dict[str, Any],
    message: str,
) -> None:
    lines = [make_line(AVERAGE, [0.1, 0.2]), make_line(config, [0.1, 0.2]) | changes]
    (path := tmp_path / "table.jsonl").write_text("\n".join(map(json.dumps, lines)))
    with pytest.raises(UserError, match=f"table.jsonl, line 2: .*{message}"):
        load_curve_table(path, space)


def test_a_table_without_a_curve_is_refused(tmp_path: Path, space: SearchSpace) -> None:
    (path := tmp_path / "table.jsonl").touch()
    with pytest.raises(UserError, match="has no learning curve"):
        load_curve_table(path, space)
