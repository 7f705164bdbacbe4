import json

import pytest

from benchmarks.gpu_check.results import GpuResults
from benchmarks.gpu_check.trial_speed import NetworkSpeed
from fer_tune.trial.gpu_sharing import SharingSpeed


@pytest.fixture
def results() -> GpuResults:
    paper = NetworkSpeed("the paper's network", 200_000, 90_000, 50_000, 80_000, 5e8)
    best = NetworkSpeed("the best", 40_000, 30_000, 20_000, 25_000, 1e9, "without mixup")
    return GpuResults(
        {"card": "A card", "memory_gb": 16.0},
        True,
        [paper, best],
        {"float32": 5e13, "bfloat16": 4e14},
        {1: SharingSpeed(150_000, 2**30), 2: SharingSpeed(280_000, 2**30)},
    )


def test_the_tables_show_ratios_and_the_memory_of_each_fraction(results: GpuResults) -> None:
    text = results.format_table()
    row = "| the paper's network | 200,000 | 90,000 | 50,000 | 80,000 | 2.50 | 100.00 | 25.0% |"
    assert row in text
    assert "| 2 | 280,000 | 1.87 | 7.45 | 1.00 |" in text
    assert "`--gpus-per-trial auto` gives a trial 1/2 GPU." in text
    assert "the best is trained without mixup." in text
    assert "bfloat16 400.0" in text


def test_everything_is_in_the_json(results: GpuResults) -> None:
    content = json.loads(json.dumps(results.to_json()))
    assert content["networks"][1]["remark"] == "without mixup"
    assert content["sharing"]["2"] == {"faces_per_second": 280_000, "gpu_bytes": 2**30}
    assert content["best_trial_count"] == 2
