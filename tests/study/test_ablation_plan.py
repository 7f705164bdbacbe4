from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fer_tune.scoring.metrics import EpochResult
from fer_tune.study.ablation_plan import (
    Ablation,
    collect_results,
    list_path,
    list_planned_trials,
    rank_changes,
)
from fer_tune.study.records.trial_record import TrialRecord
from fer_tune.trial_config import BASELINE, TrialConfig
from tests.ablation import CHANGES, METRIC, add_gains, make_ablation, run_all, run_trials


def rank(ablation: Ablation, records: Sequence[TrialRecord], metric: str = METRIC) -> list[int]:
    """Return the changes in the order of their own gains, by the results of these trials."""
    planned = list_planned_trials(ablation, metric, records)
    return rank_changes(ablation, metric, collect_results(metric, planned, records))


@pytest.mark.parametrize(("count", "trials"), [(1, 2), (2, 4), (3, 8), (4, 11), (5, 14)])
def test_no_configuration_is_trained_twice(count: int, trials: int) -> None:
    ablation = make_ablation(count)
    scores = add_gains([0.01 * index for index in range(count)])
    first = list_planned_trials(ablation, METRIC, [])
    planned = list_planned_trials(ablation, METRIC, run_trials(first, scores))
    assert len(planned) == len({trial.subset for trial in planned}) == trials
    assert ablation.count_trials() == trials
    assert [trial.number for trial in planned] == list(range(trials))
    path = list_path(rank(ablation, run_trials(first, scores)))
    assert {*path} <= {trial.subset for trial in planned}


def test_the_first_trial_is_the_baseline_and_the_second_has_all_changes() -> None:
    ablation = make_ablation(3)
    baseline, everything, *_ = ablation.list_first_points()
    assert TrialConfig.model_validate(baseline) == BASELINE
    values = BASELINE.model_copy(update=CHANGES[0] | CHANGES[1] | CHANGES[2])
    assert TrialConfig.model_validate(everything) == values


def test_trials_have_readable_names() -> None:
    ablation = make_ablation(4, seeds=2)
    first = list_planned_trials(ablation, METRIC, [])
    assert [trial.name for trial in first[:10]] == [
        "000 baseline",
        "001 all changes",
        "002 without network shape",
        "003 without mixup",
        "004 without augmentation",
        "005 without averaging",
        "006 with network shape",
        "007 with mixup",
        "008 with augmentation",
        "009 with averaging",
    ]
    records = run_trials(first, add_gains([0.3, 0.2, 0.4, 0.1]))
    planned = list_planned_trials(ablation, METRIC, records)
    names = [trial.name for trial in planned]
    assert names[10:12] == ["010 path 2: + network shape", "011 baseline, seed 2"]
    assert names[21:] == ["021 path 2: + network shape, seed 2"]
    assert make_ablation(1).name_change(0) == "network shape"
    assert make_ablation(1).describe_change(0) == "depth 3 to 4, width 32 to 16"


def test_all_configurations_of_a_seed_train_with_the_same_seed() -> None:
    ablation = make_ablation(3, seeds=2)
    records = run_trials(list_planned_trials(ablation, METRIC, []), add_gains([0.1, 0.2, 0.3]))
    planned = list_planned_trials(ablation, METRIC, records)
    by_repetition = {(trial.repetition, trial.seed_number) for trial in planned}
    assert len(planned) == 16
    assert len(by_repetition) == len({seed for _, seed in by_repetition}) == 2


def test_further_seeds_change_no_earlier_trial() -> None:
    gains = add_gains([0.1, 0.4, 0.2, 0.3])
    records = run_all(make_ablation(4), gains, lambda trial: trial.number / 1000)
    before = list_planned_trials(make_ablation(4), METRIC, records)
    planned = list_planned_trials(make_ablation(4, seeds=3), METRIC, records)
    assert planned[: len(before)] == before
    # Even if the further seeds rank the changes otherwise.
    further = run_trials(planned[len(before) :], add_gains([0.4, 0.1, 0.3, 0.2]))
    assert list_planned_trials(make_ablation(4, seeds=3), METRIC, records + further) == planned


@given(st.permutations([0.4, 0.3, 0.2, 0.1, 0.0]))
def test_the_path_adds_the_change_with_the_largest_own_gain_first(gains: list[float]) -> None:
    ablation = make_ablation(5, seeds=2)
    records = run_trials(list_planned_trials(ablation, METRIC, []), add_gains(gains))
    order = rank(ablation, records)
    assert [gains[index] for index in order] == [0.4, 0.3, 0.2, 0.1, 0.0]


def test_a_loss_is_better_if_it_is_smaller() -> None:
    ablation = make_ablation(3)
    records = run_trials(list_planned_trials(ablation, METRIC, []), add_gains([0.1, -0.2, 0.0]))
    for record in records:
        record.history[0] = EpochResult(1, {"gap": record.history[0].metrics[METRIC]}, [])
    assert rank(ablation, records, "gap") == [1, 2, 0]


def test_the_path_waits_until_all_other_trials_have_ended() -> None:
    ablation = make_ablation(4)
    first = list_planned_trials(ablation, METRIC, [])
    records = run_trials(first, add_gains([0.1, 0.2, 0.3, 0.4]))
    records[3].ending = "interrupted"
    assert list_planned_trials(ablation, METRIC, records) == first
    assert list_planned_trials(ablation, METRIC, records[:-1]) == first


def test_a_change_whose_trial_failed_comes_last_and_blocks_nothing() -> None:
    ablation = make_ablation(4)
    first = list_planned_trials(ablation, METRIC, [])
    scores = add_gains([0.1, 0.2, 0.3, 0.4])
    del scores[frozenset({3})]
    records = run_trials(first, scores)
    assert rank(ablation, records) == [2, 1, 0, 3]
    (step,) = list_planned_trials(ablation, METRIC, records)[len(first) :]
    assert step.subset == {1, 2}
    failed = run_trials(first, {})
    assert rank(ablation, failed) == [0, 1, 2, 3]
    assert len(list_planned_trials(ablation, METRIC, failed)) == ablation.count_trials()


def test_an_ablation_is_the_same_after_it_was_stored() -> None:
    ablation = Ablation(
        study="first",
        trial=7,
        changes=({"residual": True, "convolutions": 2}, {"averaging": 1.0}),
        seeds=2,
    )
    stored = Ablation.model_validate_json(ablation.model_dump_json())
    assert stored == ablation
    assert repr(stored.changes) == repr(ablation.changes)
