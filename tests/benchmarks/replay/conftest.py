import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

from benchmarks.replay.curve_predictor import CurvePredictor, PredictedCurve, load_curve_table
from fer_tune.study.search_space.load_space import parse_space
from fer_tune.study.search_space.space import SearchSpace

SPACE = """
parameters:
  learning_rate: {type: float, low: 1.0e-5, high: 1.0e-2, log: true}
  dropout: {type: float, low: 0.0, high: 0.5}
  head: {type: choice, values: [hidden, average]}
  hidden_1: {type: int, low: 64, high: 1024, log: true, when: {head: hidden}}
  data_plan: {type: choice, values: [original, balanced]}
"""

HIDDEN = {
    "learning_rate": 1e-3,
    "dropout": 0.1,
    "head": "hidden",
    "hidden_1": 128,
    "data_plan": "original",
}
AVERAGE = {"learning_rate": 1e-4, "dropout": 0.1, "head": "average", "data_plan": "balanced"}


def make_line(config: dict[str, Any], scores: list[float], **changes: Any) -> dict[str, Any]:
    """Return a line of a table; each epoch takes a second."""
    defaults = {"config": config, "scores": scores, "gaps": [0.0] * len(scores)}
    return {**defaults, "seconds": [1.0] * len(scores), **changes}


@pytest.fixture
def space() -> SearchSpace:
    return parse_space(SPACE, "a test")


@pytest.fixture
def table(tmp_path: Path, space: SearchSpace) -> CurvePredictor:
    """Return a table of four configurations with four epochs; one diverged after its first."""
    lines = [
        make_line(HIDDEN, [0.1, 0.2, 0.3, 0.4]),
        make_line(AVERAGE, [0.3, 0.35, 0.36, 0.37]),
        make_line({**AVERAGE, "dropout": 0.5}, [0.1, 0.1, 0.1, 0.1], seconds=[3.0] * 4),
        make_line({**HIDDEN, "learning_rate": 1e-2}, [0.05]),
    ]
    (path := tmp_path / "table.jsonl").write_text("\n".join(map(json.dumps, lines)))
    return load_curve_table(path, space)


def nearest_curve(table: CurvePredictor) -> Callable[[Mapping[str, Any]], PredictedCurve]:
    """Return a predictor by the nearest learning rate, so that simulated times are round."""

    def predict(config: Mapping[str, Any]) -> PredictedCurve:
        def distance(row: int) -> tuple[bool, float]:
            recorded = table.configs[row]
            differs = any(recorded[name] != config[name] for name in ("head", "dropout"))
            return differs, abs(float(recorded["learning_rate"]) - config["learning_rate"])

        row = min(range(len(table.configs)), key=distance)
        return PredictedCurve(tuple(table.scores[row].tolist()), tuple(table.seconds[row].tolist()))

    return predict
