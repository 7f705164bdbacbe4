from typing import Any

import pytest

from benchmarks.replay.curve_table import CurveTable
from benchmarks.replay.search_methods import SYSTEMS, RaySchedulerAdapter, make_settings
from benchmarks.replay.study_simulator import METRIC, StudySimulator
from fer_tune.study.asha import Asha, StoppingAsha, make_asha
from tests.benchmarks.replay.conftest import AVERAGE, HIDDEN, recorded


class Given:
    """A search that gives these, and keeps what it is told."""

    def __init__(self, *configs: dict[str, Any]) -> None:
        self.left = list(configs)
        self.told: list[tuple[str, str, int]] = []

    def suggest(self, trial_id: str) -> dict[str, Any] | str | None:
        return self.left.pop(0) if self.left else None

    def on_trial_result(self, trial_id: str, result: dict[str, Any]) -> None:
        self.told.append(("result", trial_id, result["epoch"]))

    def on_trial_complete(
        self, trial_id: str, result: dict[str, Any] | None = None, error: bool = False
    ) -> None:
        epoch = result["epoch"] if result else 0
        self.told.append(("failed" if error else "complete", trial_id, epoch))


def _all_the_way(table: CurveTable) -> Asha:
    return make_asha(make_settings(table, 0, "none"))


def test_workers_train_at_once_and_epochs_end_in_the_order_of_time(table: CurveTable) -> None:
    slow = {**AVERAGE, "dropout": 0.5}
    ended = StudySimulator(
        Given(slow, HIDDEN, AVERAGE), _all_the_way(table), recorded(table), 2
    ).simulate_epochs(100)
    assert [(each.time, each.trial, each.epoch) for each in ended[:4]] == [
        (1.0, 2, 1),
        (2.0, 2, 2),
        (3.0, 1, 1),
        (3.0, 2, 3),
    ]
    assert [(each.time, each.trial) for each in ended if each.epoch == 4] == [
        (4.0, 2),
        (8.0, 3),
        (12.0, 1),
    ]


def test_a_study_ends_after_its_epochs(table: CurveTable) -> None:
    assert (
        len(
            StudySimulator(
                Given(HIDDEN, AVERAGE), _all_the_way(table), recorded(table), 1
            ).simulate_epochs(6)
        )
        == 6
    )


def test_a_search_is_told_what_ray_tells(table: CurveTable) -> None:
    search = Given(HIDDEN)
    StudySimulator(search, _all_the_way(table), recorded(table), 1).simulate_epochs(100)
    results = [("result", "1", epoch) for epoch in (1, 2, 3)]
    assert search.told == [*results, ("complete", "1", 4)]


def test_a_paused_trial_goes_on_where_it_was(table: CurveTable) -> None:
    ended = StudySimulator(
        *SYSTEMS["ours, asha-promotion"](table, 3), recorded(table), 1
    ).simulate_epochs(60)
    epochs: dict[int, list[int]] = {}
    for each in ended:
        epochs.setdefault(each.trial, []).append(each.epoch)
    assert all(told == list(range(1, len(told) + 1)) for told in epochs.values())
    order = [each.trial for each in ended]
    went_on = [number for number in epochs if order[order.index(number) :].count(number) == 4]
    parted = [n for n in went_on if set(order[order.index(n) : _last(order, n)]) != {n}]
    assert parted


def _last(order: list[int], number: int) -> int:
    return len(order) - order[::-1].index(number)


def test_rays_asha_decides_as_ours_with_the_same_rungs(table: CurveTable) -> None:
    from ray.tune.schedulers import ASHAScheduler

    chosen = make_settings(table, 0, "asha").model_copy(
        update={"grace": 1, "reduction": 2, "epochs": 9}
    )
    theirs = RaySchedulerAdapter(
        ASHAScheduler(metric=METRIC, mode="max", max_t=9, reduction_factor=2)
    )
    ours = make_asha(chosen)
    assert isinstance(ours, StoppingAsha)
    for number, epoch, value in [(1, 1, 0.3), (2, 1, 0.2), (3, 1, 0.4), (1, 2, 0.3), (3, 2, 0.1)]:
        assert theirs.decide(number, epoch, value) == ours.decide(number, epoch, value)


@pytest.mark.parametrize("name", SYSTEMS)
def test_every_system_searches_and_the_same_seed_gives_the_same_study(
    table: CurveTable, name: str
) -> None:
    first, second = (
        StudySimulator(*SYSTEMS[name](table, 3), recorded(table), 2).simulate_epochs(40)
        for _ in range(2)
    )
    assert first == second
    assert len(first) == 40
    assert max(each.score for each in first) >= 0.37
