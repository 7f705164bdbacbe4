from collections.abc import Callable

import pytest

from fer_tune.report.data_plan_comparison import build_data_plan_section, find_trial_pairs
from fer_tune.report.load_study import ReportedStudy
from fer_tune.study.records.trial_record import TrialRecord

Trial = Callable[..., TrialRecord]
Study = Callable[..., ReportedStudy]


@pytest.fixture
def steps(trial: Trial) -> Trial:
    """Make a trial whose epochs have this number of steps."""

    def record(number: int, steps: int, *right: int, **config: object) -> TrialRecord:
        made = trial(number, *right, **config)
        made.faces_per_epoch, made.steps_per_epoch = 128 * steps, steps
        return made

    return record


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


def test_of_trials_with_the_same_configuration_the_first_is_compared(
    trial: Trial, study: Study
) -> None:
    trials = trial(0, 20), trial(1, 15, data_plan="balanced"), trial(2, 40, data_plan="balanced")
    (pair,) = find_trial_pairs(study(*trials))
    assert [each.number for each in pair.trials] == [0, 1]


def test_two_trials_are_compared_at_their_best_within_the_steps_of_both(
    steps: Trial, study: Study
) -> None:
    trials = steps(0, 10, 20, 30, 25, 45), steps(1, 20, 15, 40, 12, data_plan="balanced")
    (pair,) = find_trial_pairs(study(*trials))
    assert pair.budget == 40
    assert [epoch.epoch for epoch in pair.best] == [4, 2]
    longer = steps(0, 10, 20, 30, 25, 45, 50, 50, 50), trials[1]
    (pair,) = find_trial_pairs(study(*longer))
    assert pair.budget == 60
    assert [epoch.epoch for epoch in pair.best] == [6, 2]


def test_shorter_epochs_give_no_more_chances_for_a_lucky_score(steps: Trial, study: Study) -> None:
    # The lucky third epoch ends where no epoch of the other trial ends.
    lucky = steps(0, 10, 20, 22, 49, 24), steps(1, 20, 22, 24, data_plan="balanced")
    (pair,) = find_trial_pairs(study(*lucky))
    assert [epoch.epoch for epoch in pair.best] == [4, 2]


def test_the_lower_loss_is_the_better_one_within_the_steps(steps: Trial, study: Study) -> None:
    first, second = steps(0, 1, 20, 20), steps(1, 2, 20, 20, data_plan="balanced")
    for trial, losses in ((first, (0.5, 0.4)), (second, (0.7, 0.1))):
        for epoch, loss in zip(trial.history, losses, strict=True):
            epoch.metrics["val/loss"] = loss  # type: ignore[index]
    reported = study(first, second)
    object.__setattr__(reported.run, "metric", "val/loss")
    (pair,) = find_trial_pairs(reported)
    assert [epoch.metrics["val/loss"] for epoch in pair.best] == [0.4, 0.7]


def test_a_plan_whose_epoch_is_longer_than_the_other_training_is_not_compared(
    steps: Trial, study: Study
) -> None:
    section = build_data_plan_section(
        study(steps(0, 10, 20, 30), steps(1, 130, 45, 50, data_plan="balanced"))
    )
    assert section.summary == (
        "balanced cannot be compared: an epoch of one trial has more steps than the whole training "
        "of the other."
    )
    assert section.findings == ["Faces an epoch: original 1,280, balanced 16,640."]


def test_a_plan_is_not_compared_before_its_trials_have_learnt(steps: Trial, study: Study) -> None:
    # With seven equal classes, always naming one is right for 50 of 350 faces.
    early = study(steps(0, 10, 7, 30), steps(1, 10, 25, data_plan="balanced"))
    assert "balanced cannot be compared: a trial has not learnt" in (
        build_data_plan_section(early).summary
    )


def test_a_change_from_fewer_than_three_pairs_may_be_chance(steps: Trial, study: Study) -> None:
    plain, other = steps(0, 10, 20), steps(1, 10, 15, data_plan="balanced")
    alone = build_data_plan_section(study(plain, other)).summary
    assert "balanced -0.100 (-0." in alone
    assert alone.endswith(" in 1 pair within 10 steps (may be chance: 3 pairs are needed).")
    more = [plain, other, steps(2, 7, 20, depth=4), steps(3, 7, 10, depth=4, data_plan="balanced")]
    assert "balanced -0.150 ± 0.071 in 2 pairs within 7 to 10 steps (may be chance: 3" in (
        build_data_plan_section(study(*more)).summary
    )
    more += [steps(4, 10, 21, depth=5), steps(5, 10, 15, depth=5, data_plan="balanced")]
    assert "balanced -0.140 ± 0.053 in 3 pairs within 7 to 10 steps (unlikely to be chance)." in (
        build_data_plan_section(study(*more)).summary
    )


def test_without_steps_nothing_is_compared_or_drawn(
    trial: Trial, steps: Trial, study: Study
) -> None:
    section = build_data_plan_section(study(steps(0, 10, 20), trial(1, 40, data_plan="balanced")))
    assert section.summary.startswith("The numbers of training steps are unknown")
    assert "0." not in section.summary
    assert not section.pictures


def test_a_study_without_pairs_says_so_and_compares_nothing(steps: Trial, study: Study) -> None:
    trials = (
        steps(0, 9, 20),
        steps(1, 9, 30, depth=4),
        steps(2, 9, 25, data_plan="balanced", depth=2),
    )
    section = build_data_plan_section(study(*trials))
    assert section.summary == (
        "No two trials differ only in their data plan, so the plans are not compared."
    )
    assert "by training step, up to 9, of 3 trials" in section.pictures[0].alt


def test_with_equal_classes_there_is_nothing_to_balance(steps: Trial, study: Study) -> None:
    section = build_data_plan_section(
        study(steps(0, 10, 20, 20), steps(1, 110, 40, data_plan="balanced"))
    )
    assert section.summary.startswith("There is nothing to balance")
    assert section.findings == ["Faces an epoch: original 1,280, balanced 14,080."]
