import csv
import io
import math
from collections.abc import Callable

import numpy as np
import pytest
from scipy.stats import t

from fer_tune.scoring.metric_estimates import estimate_metric_difference
from fer_tune.study.ablation_effects import (
    AblationOutcome,
    Effect,
    format_ablation_csv,
    measure_effects,
)
from fer_tune.study.ablation_plan import PlannedTrial
from tests.ablation import METRIC, add_gains, make_ablation, run_all

GAINS = [0.1, 0.05, -0.02, 0.0]


def _analyse(seeds: int = 1, faces: int = 0, gains: list[float] | None = None) -> AblationOutcome:
    ablation = make_ablation(4, seeds)
    records = run_all(ablation, add_gains(gains or GAINS), _noise(0.01), faces)
    return measure_effects(ablation, METRIC, records)


def _noise(size: float) -> Callable[[PlannedTrial], float]:
    """Return noise that each seed shifts by its own amount, and each trial by another."""

    def shift(trial: PlannedTrial) -> float:
        own = np.random.default_rng([trial.number, 7]).normal()
        return size * own + 0.1 * trial.repetition

    return shift


def test_an_effect_is_the_difference_to_the_configuration_without_the_change() -> None:
    ablation = make_ablation(4)
    outcome = measure_effects(ablation, METRIC, run_all(ablation, add_gains(GAINS)))
    assert outcome.order == [0, 1, 3, 2]
    for index, gain in enumerate(GAINS):
        for comparison in ("alone", "removed", "path"):
            assert outcome.effects[index, comparison, METRIC].value == pytest.approx(gain)
            assert outcome.effects[index, comparison, "gap"].value == pytest.approx(-gain)
    assert outcome.totals[METRIC].value == pytest.approx(sum(GAINS))
    means = [outcome.means[METRIC][subset] for subset in outcome.path]
    assert means == pytest.approx([0.5, 0.6, 0.65, 0.65, 0.63])


def test_the_steps_of_the_path_add_up_to_the_effect_of_all_changes() -> None:
    outcome = _analyse(seeds=3)
    steps = sum(outcome.effects[index, "path", METRIC].value for index in range(4))
    assert steps == pytest.approx(outcome.totals[METRIC].value)


def test_the_spread_over_seeds_is_pooled_and_seeds_may_differ() -> None:
    outcome = _analyse(seeds=3)
    assert outcome.freedom == (outcome.ablation.count_trials() // 3 - 1) * 2
    effect = outcome.effects[2, "alone", METRIC]
    # Noise of 0.01 in each training; seeds differ by ten times as much.
    expected = float(t.ppf(0.975, outcome.freedom)) * 0.01 * math.sqrt(2 / 3)
    assert effect.seed_error == pytest.approx(expected, rel=0.4)
    assert effect.faces_error is None
    assert effect.error == effect.seed_error


def test_an_effect_within_its_interval_may_be_chance() -> None:
    outcome = _analyse(seeds=3)
    assert not outcome.effects[0, "alone", METRIC].may_be_chance
    assert not outcome.effects[0, "removed", "gap"].may_be_chance
    assert outcome.effects[3, "alone", METRIC].may_be_chance


def test_no_effect_is_found_more_often_than_five_percent_of_the_time() -> None:
    ablation, found = make_ablation(4, 2), list[bool]()
    rng = np.random.default_rng(0)
    for _ in range(40):
        records = run_all(ablation, add_gains([0.0] * 4), lambda _: float(rng.normal()) / 100)
        effects = measure_effects(ablation, METRIC, records).effects
        found += [
            not effect.may_be_chance
            for (_, each, name), effect in effects.items()
            if each == "removed" and name == METRIC
        ]
    assert 0.01 < np.mean(found) < 0.1


def test_the_influence_of_the_faces_does_not_shrink_with_more_seeds() -> None:
    ablation = make_ablation(4)
    records = run_all(ablation, add_gains(GAINS), faces=50)
    baseline, everything = (records[number].history[0] for number in (0, 1))
    difference = estimate_metric_difference(everything, baseline, METRIC)
    one, three = (_analyse(seeds, faces=50).totals[METRIC] for seeds in (1, 3))
    assert difference.interval
    half = (difference.interval.high - difference.interval.low) / 2
    assert one.faces_error == pytest.approx(half, rel=0.1)
    assert three.faces_error == pytest.approx(half, rel=0.1)
    assert three.seed_error
    assert three.error == pytest.approx(math.hypot(half, three.seed_error), rel=0.1)


def test_one_seed_has_no_spread() -> None:
    outcome = _analyse(seeds=1)
    assert outcome.freedom == 0
    effect = outcome.effects[0, "alone", METRIC]
    assert effect.seed_error is None
    assert effect.may_be_chance  # nothing is known about its interval


def test_an_effect_may_exceed_the_seeds_but_not_the_faces() -> None:
    effect = Effect(0.02, seed_error=0.01, faces_error=0.03, seeds=2)
    assert effect.may_be_chance
    assert effect.exceeds_seeds
    assert effect.interval == pytest.approx((0.02 - 0.001**0.5, 0.02 + 0.001**0.5))
    assert not Effect(0.02, 0.03, None, 2).exceeds_seeds


def test_only_pairs_of_the_same_seed_are_compared() -> None:
    ablation = make_ablation(4, seeds=2)
    records = run_all(ablation, add_gains(GAINS), lambda trial: 0.2 * trial.repetition)
    records[0].ending = "failed"  # the baseline of the first seed
    outcome = measure_effects(ablation, METRIC, records)
    effect = outcome.effects[0, "alone", METRIC]
    assert effect.value == pytest.approx(0.1)
    assert effect.seeds == 1
    assert outcome.failed == ["000 baseline"]


def test_trials_that_are_missing_have_no_effect() -> None:
    ablation = make_ablation(4)
    records = run_all(ablation, add_gains(GAINS))
    outcome = measure_effects(ablation, METRIC, records[:-1])
    assert outcome.is_order_final
    assert (1, "path", METRIC) not in outcome.effects
    early = measure_effects(ablation, METRIC, records[:2])
    assert not early.is_order_final
    assert early.effects == {}
    assert early.totals[METRIC].value == pytest.approx(sum(GAINS))
    assert measure_effects(ablation, METRIC, []).totals == {}


def test_a_study_of_the_gap_also_has_the_macro_f1() -> None:
    ablation = make_ablation(3)
    outcome = measure_effects(ablation, "gap", run_all(ablation, add_gains([0.1, 0.2, 0.3])))
    assert outcome.metrics == ("gap", METRIC)
    assert outcome.order == [2, 1, 0]


def test_the_csv_has_a_row_for_each_effect() -> None:
    outcome = _analyse(seeds=2, faces=50)
    rows = list(csv.DictReader(io.StringIO(format_ablation_csv(outcome))))
    assert len(rows) == len(outcome.effects) == 4 * 3 * 2
    first = rows[0]
    assert first["change"] == "network shape"
    assert first["parameters"] == "depth 3 to 4, width 32 to 16"
    assert (first["comparison"], first["metric"]) == ("alone", METRIC)
    effect = outcome.effects[0, "alone", METRIC]
    assert float(first["effect"]) == effect.value
    assert (float(first["low"]), float(first["high"])) == tuple(effect.interval)
    assert first["may_be_chance"] == str(effect.may_be_chance)


def test_a_trial_that_another_version_numbered_is_not_taken_for_the_planned_one() -> None:
    ablation = make_ablation(4)
    records = run_all(ablation, add_gains(GAINS))
    records[6].name = "006 baseline, seed 2"  # with the first change
    outcome = measure_effects(ablation, METRIC, records)
    assert (0, "alone", METRIC) not in outcome.effects
    assert (1, "alone", METRIC) in outcome.effects
