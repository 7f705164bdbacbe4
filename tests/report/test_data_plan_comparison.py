from collections.abc import Callable

from fer_tune.report.data_plan_comparison import (
    build_data_plan_section,
    find_trial_pairs,
    summarize_pairs,
)
from fer_tune.report.load_study import ReportedStudy
from fer_tune.study.records.trial_record import TrialRecord

Trial = Callable[..., TrialRecord]
Study = Callable[..., ReportedStudy]


def test_trials_that_differ_only_in_their_data_plan_are_compared(
    trial: Trial, study: Study
) -> None:
    pairs = find_trial_pairs(
        study(
            trial(0, 20),
            trial(1, 15, data_plan="balanced"),
            trial(2, 25, data_plan="oversampled", depth=4),
        )
    )
    assert [each.plan for each in pairs] == ["balanced"]


def test_a_pruned_trial_is_compared_over_the_epochs_that_both_have(
    trial: Trial, study: Study
) -> None:
    (pair,) = find_trial_pairs(study(trial(0, 10, 20, 40), trial(1, 15, 12, data_plan="balanced")))
    assert pair.epochs == 2
    assert pair.original.metrics["val/accuracy"] == 20 / 50
    assert pair.other.metrics["val/accuracy"] == 15 / 50


def test_one_pair_has_an_interval_and_several_have_a_standard_deviation(
    trial: Trial, study: Study
) -> None:
    plain, other = trial(0, 20), trial(1, 15, data_plan="balanced")
    alone = summarize_pairs(find_trial_pairs(study(plain, other)), "val/macro_f1")
    assert "balanced -0.100 (-0." in alone
    assert alone.endswith(" in 1 pair over 1 epoch.")
    more = trial(2, 20, depth=4), trial(3, 10, depth=4, data_plan="balanced")
    assert "balanced -0.150 ± 0.071 in 2 pairs over 1 epoch." in summarize_pairs(
        find_trial_pairs(study(plain, other, *more)), "val/macro_f1"
    )


def test_a_study_without_pairs_says_so_and_summarizes_all_trials_by_plan(
    trial: Trial, study: Study
) -> None:
    summary = build_data_plan_section(
        study(trial(0, 20), trial(1, 30, depth=4), trial(2, 25, data_plan="balanced", depth=2))
    ).summary
    assert summary.startswith("No two trials differ only in their data plan")
    assert "original 0.500 ± 0.141 (2); balanced 0.500 (1)" in summary
