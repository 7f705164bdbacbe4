import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

from benchmarks.replay.curve_table import CurveTable, PredictedCurve, load_curve_table
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


def line(config: dict[str, Any], scores: list[float], **own: Any) -> dict[str, Any]:
    """Of a table; every epoch takes a second."""
    usual = {"config": config, "scores": scores, "gaps": [0.0] * len(scores)}
    return {**usual, "seconds": [1.0] * len(scores), **own}


@pytest.fixture
def space() -> SearchSpace:
    return parse_space(SPACE, "a test")


@pytest.fixture
def table(tmp_path: Path, space: SearchSpace) -> CurveTable:
    """Four configurations of four epochs, one diverged after its first."""
    lines = [
        line(HIDDEN, [0.1, 0.2, 0.3, 0.4]),
        line(AVERAGE, [0.3, 0.35, 0.36, 0.37]),
        line({**AVERAGE, "dropout": 0.5}, [0.1, 0.1, 0.1, 0.1], seconds=[3.0] * 4),
        line({**HIDDEN, "learning_rate": 1e-2}, [0.05]),
    ]
    (path := tmp_path / "table.jsonl").write_text("\n".join(map(json.dumps, lines)))
    return load_curve_table(path, space)


def recorded(table: CurveTable) -> Callable[[Mapping[str, Any]], PredictedCurve]:
    """What answers by the nearest learning rate, so that a clock's figures are round."""

    def answer(config: Mapping[str, Any]) -> PredictedCurve:
        def apart(row: int) -> tuple[bool, float]:
            own = table.configs[row]
            other = own["head"] != config["head"] or own["dropout"] != config["dropout"]
            return other, abs(float(own["learning_rate"]) - config["learning_rate"])

        row = min(range(len(table.configs)), key=apart)
        return PredictedCurve(tuple(table.scores[row].tolist()), tuple(table.seconds[row].tolist()))

    return answer
