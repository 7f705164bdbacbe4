from pathlib import Path

import numpy as np

from benchmarks.replay.__main__ import format_epochs_to_target_table
from benchmarks.replay.plot_best_scores import plot_best_scores
from benchmarks.replay.replay_statistics import (
    ReplayedStudy,
    estimate_best_so_far,
    estimate_epoch_ratio,
    estimate_epochs_to_score,
    summarize_study,
)
from benchmarks.replay.search_methods import STOCK
from benchmarks.replay.study_simulator import SimulatedEpoch


def _runs(system: str, *reached: int) -> list[ReplayedStudy]:
    """Return studies with score .2 from the first epoch on, and .4 from the given epoch on."""
    gains = [((1, 1.0, 0.2), (epochs, float(epochs), 0.4)) for epochs in reached]
    return [ReplayedStudy(system, 1, seed, 100, gain) for seed, gain in enumerate(gains)]


def test_a_summary_has_each_rise_of_the_best_score() -> None:
    scores = [0.2, 0.1, 0.3, 0.3, 0.4]
    ended = [SimulatedEpoch(float(2 * n), n % 2, 1, score) for n, score in enumerate(scores)]
    run = summarize_study(("ours", 1, 0), 5, ended)
    assert run.gains == ((1, 0.0, 0.2), (3, 4.0, 0.3), (5, 8.0, 0.4))
    assert run.count_epochs_to_score(0.25) == 3
    assert run.count_epochs_to_score(0.5) == np.inf
    assert run.find_best_scores(np.array([1, 2, 3, 9])).tolist() == [0.2, 0.2, 0.3, 0.4]


def test_the_median_lies_in_its_interval_and_is_infinite_if_not_reached() -> None:
    estimate = estimate_epochs_to_score(_runs("ours", 10, 20, 30, 40, 50), 0.4)
    assert estimate.low <= estimate.value == 30 <= estimate.high
    assert estimate_epochs_to_score(_runs("ours", 10, 20, 30), 0.5).value == np.inf


def test_a_ratio_counts_the_whole_budget_if_theirs_never_reach_the_score() -> None:
    assert (
        estimate_epoch_ratio(_runs("ours", 10, 10, 10), _runs(STOCK, 20, 20, 20), 0.4).value == 0.5
    )
    never = [ReplayedStudy(STOCK, 1, seed, 100, ((1, 1.0, 0.2),)) for seed in range(3)]
    estimate = estimate_epoch_ratio(_runs("ours", 10, 10, 10), never, 0.4)
    assert (estimate.low, estimate.value, estimate.high) == (0.1, 0.1, 0.1)


def test_a_line_rises_with_the_median_run() -> None:
    middle, low, high = estimate_best_so_far(_runs("ours", 10, 20, 30), np.array([5, 25]))
    assert middle.tolist() == [0.2, 0.4]
    assert (low <= middle).all()
    assert (middle <= high).all()


def test_the_table_and_the_plot_show_every_system(tmp_path: Path) -> None:
    runs = {("ours", 1): _runs("ours", 10, 10, 10), (STOCK, 1): _runs(STOCK, 20, 20, 20)}
    assert "| ours | 10 [10, 10] | 0.50 [0.50, 0.50] |" in format_epochs_to_target_table(runs, 0.4)
    assert "| > 100 [> 100, > 100] |" in format_epochs_to_target_table(runs, 0.5)
    plot_best_scores(runs, 0.4, tmp_path / "plot.png")
    assert (tmp_path / "plot.png").stat().st_size > 10_000
