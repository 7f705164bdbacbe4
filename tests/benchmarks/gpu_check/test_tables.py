from benchmarks.gpu_check.tables import format_networks, format_sharing
from benchmarks.gpu_check.trial_speed import NetworkSpeed
from fer_tune.trial.gpu_sharing import SharingSpeed


def test_the_table_of_networks_shows_ratios_and_the_share_of_the_product() -> None:
    paper = NetworkSpeed("the paper's network", 200_000, 90_000, 50_000, 80_000, 5e8)
    best = NetworkSpeed("the best", 40_000, 30_000, 20_000, 25_000, 1e9, "without mixup")
    text = format_networks([paper, best], {"float32": 5e13, "bfloat16": 4e14})
    row = "| the paper's network | 200,000 | 90,000 | 50,000 | 80,000 | 2.50 | 100.00 | 25.0% |"
    assert row in text
    assert "the best is trained without mixup." in text
    assert "bfloat16 400.0" in text


def test_the_table_of_sharing_shows_the_memory_of_each_fraction() -> None:
    speeds = {1: SharingSpeed(150_000, 2**30), 2: SharingSpeed(280_000, 2**30)}
    text = format_sharing(speeds, {"memory_gb": 16.0})
    assert "| 2 | 280,000 | 1.87 | 7.45 | 1.00 |" in text
    assert "`--gpus-per-trial auto` gives a trial 1/2 GPU." in text
