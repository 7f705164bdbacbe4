from typing import Any

import pytest

from benchmarks.replay.curve_predictor import CurvePredictor
from benchmarks.replay.search_methods import SYSTEMS, RaySchedulerAdapter, make_settings
from benchmarks.replay.study_simulator import METRIC, StudySimulator
from fer_tune.study.asha import Asha, StoppingAsha, make_asha
from tests.benchmarks.replay.conftest import AVERAGE, HIDDEN, nearest_curve


class FixedSearcher:
    """Searcher that suggests these configurations and records its calls."""

    def __init__(self, *configs: dict[str, Any]) -> None:
        self.configs = list(configs)
        self.calls: list[tuple[str, str, int]] = []

    def suggest(self, trial_id: str) -> dict[str, Any] | str | None:
        return self.configs.pop(0) if self.configs else None

    def on_trial_result(self, trial_id: str, result: dict[str, Any]) -> None:
        self.calls.append(("result", trial_id, result["epoch"]))

    def on_trial_complete(
        self, trial_id: str, result: dict[str, Any] | None = None, error: bool = False
    ) -> None:
        epoch = result["epoch"] if result else 0
        self.calls.append(("failed" if error else "complete", trial_id, epoch))


def _never_stop(table: CurvePredictor) -> Asha:
    return make_asha(make_settings(table, 0, "none"))


def test_workers_train_at_once_and_epochs_end_in_the_order_of_time(table: CurvePredictor) -> None:
    slow = {**AVERAGE, "dropout": 0.5}
    searcher = FixedSearcher(slow, HIDDEN, AVERAGE)
    epochs = StudySimulator(searcher, _never_stop(table), nearest_curve(table), 2).simulate_epochs(
        100
    )
    first = [(epoch.time, epoch.trial, epoch.epoch) for epoch in epochs[:4]]
    assert first == [(1.0, 2, 1), (2.0, 2, 2), (3.0, 1, 1), (3.0, 2, 3)]
    last = [(epoch.time, epoch.trial) for epoch in epochs if epoch.epoch == 4]
    assert last == [(4.0, 2), (8.0, 3), (12.0, 1)]


def test_a_study_ends_after_its_epochs(table: CurvePredictor) -> None:
    searcher = FixedSearcher(HIDDEN, AVERAGE)
    simulator = StudySimulator(searcher, _never_stop(table), nearest_curve(table), 1)
    assert len(simulator.simulate_epochs(6)) == 6


def test_a_searcher_is_called_as_ray_calls_it(table: CurvePredictor) -> None:
    searcher = FixedSearcher(HIDDEN)
    StudySimulator(searcher, _never_stop(table), nearest_curve(table), 1).simulate_epochs(100)
    results = [("result", "1", epoch) for epoch in (1, 2, 3)]
    assert searcher.calls == [*results, ("complete", "1", 4)]


def test_a_paused_trial_resumes_after_its_last_epoch(table: CurvePredictor) -> None:
    pair = SYSTEMS["ours, asha-promotion"](table, 3)
    ended = StudySimulator(*pair, nearest_curve(table), 1).simulate_epochs(60)
    epochs: dict[int, list[int]] = {}
    for epoch in ended:
        epochs.setdefault(epoch.trial, []).append(epoch.epoch)
    assert all(own == list(range(1, len(own) + 1)) for own in epochs.values())
    order = [epoch.trial for epoch in ended]
    completed = [number for number, own in epochs.items() if len(own) == 4]
    assert any(set(order[order.index(n) : _end(order, n)]) != {n} for n in completed)


def _end(order: list[int], number: int) -> int:
    return len(order) - order[::-1].index(number)


def test_the_asha_of_ray_decides_as_ours_with_the_same_rungs(table: CurvePredictor) -> None:
    from ray.tune.schedulers import ASHAScheduler

    changes = {"grace": 1, "reduction": 2, "epochs": 9}
    ray_asha = ASHAScheduler(metric=METRIC, mode="max", max_t=9, reduction_factor=2)
    adapter = RaySchedulerAdapter(ray_asha)
    ours = make_asha(make_settings(table, 0, "asha").model_copy(update=changes))
    assert isinstance(ours, StoppingAsha)
    for number, epoch, value in [(1, 1, 0.3), (2, 1, 0.2), (3, 1, 0.4), (1, 2, 0.3), (3, 2, 0.1)]:
        assert adapter.decide(number, epoch, value) == ours.decide(number, epoch, value)


@pytest.mark.parametrize("name", SYSTEMS)
def test_every_system_searches_and_the_same_seed_gives_the_same_study(
    table: CurvePredictor, name: str
) -> None:
    first, second = (
        StudySimulator(*SYSTEMS[name](table, 3), nearest_curve(table), 2).simulate_epochs(40)
        for _ in range(2)
    )
    assert first == second
    assert len(first) == 40
    assert max(epoch.score for epoch in first) >= 0.37
