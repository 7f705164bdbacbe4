import io

import pytest
from rich.console import Console

from fer_tune.study.ablation_changes import build_ablation_space
from fer_tune.study.ablation_effects import AblationOutcome, Effect, measure_effects
from fer_tune.study.ablation_plan import Ablation
from fer_tune.study.records.trial_record import TrialRecord
from fer_tune.terminal import study_summary
from fer_tune.terminal.ablation_summary import (
    describe_ablation,
    format_effect,
    list_effect_rows,
)
from tests.ablation import METRIC, add_gains, make_ablation, run_all
from tests.settings import make_settings

GAINS = [0.2, -0.15, 0.0]


@pytest.fixture
def outcome() -> AblationOutcome:
    """The first change helps, the second harms, the third does nothing; two seeds."""
    ablation = make_ablation(3, seeds=2)
    records = run_all(ablation, add_gains(GAINS), lambda trial: trial.number % 3 / 1000, faces=200)
    return measure_effects(ablation, METRIC, records)


def test_an_effect_says_whether_it_may_be_chance() -> None:
    assert format_effect(None) == "-"
    assert format_effect(Effect(0.02, None, None, 1)) == "+0.020"
    assert format_effect(Effect(0.02, 0.003, 0.004, 2)) == "+0.020 ±0.005*"
    assert format_effect(Effect(-0.02, 0.03, 0.04, 2)) == "-0.020 ±0.050"
    assert format_effect(Effect(-0.04, 0.03, 0.04, 2)) == "-0.040 ±0.050\N{DAGGER}"


def test_the_table_has_the_changes_in_the_order_of_the_path(outcome: AblationOutcome) -> None:
    header, baseline, *rows = list_effect_rows(outcome, METRIC)
    assert header == ["macro F1", "alone", "in the end", "on the path", "value"]
    assert baseline == ["baseline", "", "", "", "0.500"]
    assert [row[0] for row in rows] == ["+ network shape", "+ augmentation", "+ mixup"]
    assert [row[-1] for row in rows] == ["0.700", "0.700", "0.550"]
    assert rows[0][1].startswith("+0.20")
    assert rows[0][1].endswith("*")
    assert rows[2][2].startswith("-0.1")


def test_the_summary_names_what_helps_and_what_harms_beyond_chance(
    outcome: AblationOutcome,
) -> None:
    text = describe_ablation(outcome)
    assert text.startswith("All changes of trial 007 together: macro F1 from 0.500 to 0.550 (+0.05")
    assert "Alone, one change raises the macro F1 beyond chance: network shape (+0.20" in text
    assert "In the end, one change lowers the macro F1 beyond chance: mixup (-0.1" in text
    assert "In the end, one change reduces the gap beyond chance: network shape (-0." in text
    assert "augmentation" not in text
    assert "Failed" not in text


def test_the_summary_says_nothing_of_comparisons_that_are_not_trained_yet() -> None:
    ablation = make_ablation(3)
    records = run_all(ablation, add_gains([0.0, 0.0, 0.0]), faces=200)
    assert "Alone and in the end, no change has" in describe(ablation, records)
    # These are the baseline, all changes, and all changes without each.
    text = describe(ablation, records[:5])
    assert "In the end, no change has an effect on the macro F1 beyond chance." in text
    assert "alone" not in text.lower()


def describe(ablation: Ablation, records: list[TrialRecord]) -> str:
    return describe_ablation(measure_effects(ablation, METRIC, records))


def test_the_summary_names_failed_trials_and_what_is_missing() -> None:
    ablation = make_ablation(4)
    scores = add_gains([0.1, 0.2, 0.3, 0.4])
    del scores[frozenset({3})]
    outcome = measure_effects(ablation, METRIC, run_all(ablation, scores))
    text = describe_ablation(outcome)
    assert "Failed: 009 with averaging. If a change has no result alone, it is the last" in text
    assert list_effect_rows(outcome, METRIC)[-1][:2] == ["+ averaging", "-"]
    early = describe_ablation(measure_effects(ablation, METRIC, []))
    assert "has no result yet" in early
    assert "The order of the path may still change" in early


def test_an_ablation_ends_with_its_table_instead_of_the_best_trials() -> None:
    ablation = make_ablation(3)
    space, trials = build_ablation_space(ablation), ablation.count_trials()
    settings = make_settings("tested", "ablation", space, trials=trials, ablation=ablation)
    records, text = run_all(ablation, add_gains(GAINS)), io.StringIO()
    study_summary.show_outcome(Console(file=text, width=80), records, settings)
    shown = text.getvalue()
    assert "on the path" in shown
    assert "Trials: 8 (8 completed)" in shown
    assert "best epoch" not in shown
    assert study_summary.render_summary(records, settings).startswith("All changes of trial 007")
