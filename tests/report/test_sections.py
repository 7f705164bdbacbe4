from collections.abc import Callable, Sequence
from dataclasses import replace

from fer_tune.report.augmentation_and_model_size import (
    ComplexityPoint,
    build_augmentation_and_size_section,
    count_trial_parameters,
    summarize_augmentation,
)
from fer_tune.report.best_against_baseline import build_baseline_section
from fer_tune.report.best_trial import build_best_trial_section, summarize_classes
from fer_tune.report.learning_curves import build_learning_curves_section
from fer_tune.report.load_study import ReportedStudy
from fer_tune.report.overfitting import build_overfitting_section, summarize_overfitting
from fer_tune.scoring.evaluation import Evaluation
from fer_tune.study.records.trial_record import TrialRecord
from fer_tune.study.search_space.space import BestTrialConstraints, MetricLimit, SearchSpace
from fer_tune.trial_config import BASELINE

Trial = Callable[..., TrialRecord]
Study = Callable[..., ReportedStudy]


def test_the_improvement_has_an_interval(trial: Trial, study: Study) -> None:
    (table,) = build_baseline_section(study(trial(0, 20), trial(1, 30))).tables
    assert table.header == ["", "baseline", "best trial", "difference"]
    name, _, best, difference = table.rows[0]
    assert name == "macro F1"
    assert best.startswith("0.600 (0.")
    assert difference.startswith("0.200 (0.1")


def test_the_improvement_is_told_with_the_training_steps_it_takes(
    trial: Trial, study: Study
) -> None:
    first, best = trial(0, 20, 10), trial(1, 20, 30, data_plan="balanced")
    assert "steps" not in build_baseline_section(study(first, best)).summary
    first.steps_per_epoch, best.steps_per_epoch = 1_000, 1_100
    text = build_baseline_section(study(first, best)).summary
    assert "after 1,000 training steps. The best trial" in text
    assert "after 2,200 training steps." in text


def test_a_study_without_improvement_says_so(trial: Trial, study: Study) -> None:
    text = build_baseline_section(study(trial(0, 30), trial(1, 20))).summary
    assert text.startswith("No trial is better than the baseline")


def test_the_best_trial_is_described_by_the_constraint(trial: Trial, study: Study) -> None:
    # The gap of these trials is .02 more than a fiftieth of their number.
    free = study(trial(0, 20), trial(1, 25), trial(4, 30))
    limited = replace(free, space=_limited(free.space, 0.05))
    words = "The best trial with a gap of at most 0.05, 001: macro F1 0.5"
    assert words in build_baseline_section(limited).summary
    none = build_baseline_section(replace(free, space=_limited(free.space, 0.01))).summary
    assert none.startswith("No completed trial has a gap of at most 0.01.")
    assert "To the right of the dotted line" in build_overfitting_section(limited).note
    assert "To the right of the dotted line" not in build_overfitting_section(free).note


def _limited(space: SearchSpace, most: float) -> SearchSpace:
    return space.model_copy(
        update={"constraints": BestTrialConstraints(gap=MetricLimit(at_most=most))}
    )


def test_the_pareto_front_is_listed(trial: Trial, study: Study) -> None:
    (table,) = build_overfitting_section(
        study(trial(0, 20), trial(1, 10), trial(2, 30, ending=None))
    ).tables
    assert [row[:3] for row in table.rows] == [
        ["000", "completed", "1 of 1"],
        ["002", "running", "1 of 1"],
    ]


def test_trials_that_beat_the_baseline_are_counted_and_those_that_overfit_less(
    trial: Trial, study: Study
) -> None:
    # The gap of these trials grows with their number, and with their epochs.
    text = build_overfitting_section(
        study(trial(0, 10, 20), trial(1, 30, 30), trial(3, 30), trial(2, 10))
    ).summary
    assert text.startswith("Of 3 other trials, 2 did better in macro F1")
    assert "none of them with a smaller gap" in text


def test_importances_need_enough_completed_trials(
    trial: Trial, study: Study, many: ReportedStudy
) -> None:
    few = build_overfitting_section(study(trial(0, 10, 20), trial(1, 30, 30)))
    assert len(few.pictures) == 1
    assert "Importances of parameters need 10 completed trials" in few.note
    enough = build_overfitting_section(many)
    assert len(enough.pictures) == 2
    assert "The most important parameter for the gap is" in enough.summary


def test_parameters_that_may_be_as_important_are_named_too(trial: Trial, study: Study) -> None:
    def describe(**shares: tuple[float, float]) -> str:
        return summarize_overfitting(study(trial(0, 10)), shares)

    assert describe(depth=(0.5, 0.1), dropout=(0.3, 0.1)).endswith(
        "The most important parameter for the gap is depth (50% ± 10% of its variance)."
    )
    assert "or dropout: too few" in describe(depth=(0.5, 0.2), dropout=(0.3, 0.1))
    assert "or one of 2 others, such as dropout: too few" in describe(
        depth=(0.2, 0.1), dropout=(0.15, 0.1), width=(0.1, 0.1)
    )


def test_pruned_trials_and_saved_epochs_are_counted(trial: Trial, study: Study) -> None:
    trials = trial(0, *[1] * 15), trial(1, 1, 1, 1, ending="stopped"), trial(2, ending="failed")
    assert build_learning_curves_section(study(*trials)).summary == (
        "Trials: 3 (1 completed, 1 pruned, 1 failed). Epochs: 18, and 12 saved by stopping early."
    )


def test_the_most_frequent_mistake_is_named() -> None:
    confusion = [[90, 10, 0], [5, 5, 0], [0, 0, 50]]
    evaluation = Evaluation.from_confusion(("happy", "disgust", "sad"), confusion)
    assert summarize_classes(4, evaluation) == (
        "Trial 004 recognizes sad best (F1 1.00) and disgust worst (F1 0.40). The most frequent "
        "mistake: 50% of the disgust faces are predicted as happy."
    )


def _points(
    parameters: int, *by_augmentation: tuple[float, Sequence[float]]
) -> list[ComplexityPoint]:
    """Return completed trials of networks of one size, from their gaps by augmentation."""
    return [
        ComplexityPoint(parameters, augmentation, 0.5, gap, is_completed=True)
        for augmentation, gaps in by_augmentation
        for gap in gaps
    ]


def test_augmentation_is_compared_in_smaller_and_in_larger_networks() -> None:
    points = [
        *_points(1_000_000, (0.1, [0.3, 0.31, 0.32, 0.33]), (0.9, [0.2, 0.21, 0.22, 0.23])),
        *_points(4_000_000, (0.1, [0.6, 0.4, 0.2]), (0.9, [0.1, 0.5, 0.3])),
    ]
    # This trial is not completed, so its gap says nothing.
    points.append(ComplexityPoint(1_000_000, 0.0, 0.1, 0.0, is_completed=False))
    assert summarize_augmentation(points, {"augmentation", "depth"}) == (
        "For completed trials with up to 1 million parameters, the gap is 0.315 ± 0.013 (4 trials) "
        "with augmentation up to 0.5 and 0.215 ± 0.013 (4 trials) with more (difference: unlikely "
        "to be chance). For completed trials with more than 1 million parameters, the gap is "
        "0.400 ± 0.200 (3 trials) with augmentation up to 0.5 and 0.300 ± 0.200 (3 trials) with "
        "more (difference: may be chance)."
    )


def test_no_group_of_fewer_than_three_trials_is_compared() -> None:
    varied = {"augmentation", "depth"}
    small = _points(1_000_000, (0.1, [0.3, 0.4, 0.5]), (0.9, [0.1, 0.2, 0.3]))
    few = _points(4_000_000, (0.1, [0.1]), (0.9, [0.1]))
    text = summarize_augmentation([*small, *few], varied)
    assert "0.400 ± 0.100 (3 trials)" in text
    assert text.endswith(
        "Too few trials with more than 1 million parameters to compare: 1 with augmentation up to "
        "0.5, 1 with more. Three that have learnt are needed in each group."
    )
    sizes = [*small[:3], *_points(4_000_000, (0.1, [0.1]))]
    text = summarize_augmentation(sizes, varied)
    assert text == (
        "Too few trials differ in augmentation, so only model size is compared. Too few trials to "
        "compare: 3 with up to 1 million parameters, 1 with more than 1 million parameters. Three "
        "that have learnt are needed in each group."
    )
    assert summarize_augmentation([], varied).startswith("No trial has learnt")


def test_trials_that_have_not_learnt_are_in_no_comparison(trial: Trial, study: Study) -> None:
    # One of seven classes is right for 7.1 of 50 faces.
    shapes = [{"depth": depth} for depth in (3, 3, 3, 5, 5, 5)]
    learnt = study(*(trial(n, 20 + n, **shapes[n]) for n in range(6)))
    assert "0.040 ± 0.020 (3 trials)" in build_augmentation_and_size_section(learnt).summary
    idle = study(*(trial(n, 20 if n else 7, **shapes[n]) for n in range(6)))
    assert (
        "2 with more than 2 million parameters" in build_augmentation_and_size_section(idle).summary
    )
    text = build_overfitting_section(idle).summary
    assert text.endswith(" 1 trial learnt nothing that beats always naming the largest class.")
    assert "learnt nothing" not in build_overfitting_section(learnt).summary


def test_importances_are_those_of_trials_that_have_learnt(trial: Trial, study: Study) -> None:
    trials = [trial(n, 20 if n < 9 else 5, depth=2 + n % 4) for n in range(12)]
    note = build_overfitting_section(study(*trials)).note
    assert (
        "need 10 completed trials that have learnt, with different results; this study has 9"
        in note
    )


def test_a_best_trial_that_has_not_learnt_is_not_described_by_class(
    trial: Trial, study: Study
) -> None:
    text = build_best_trial_section(study(trial(0, 5), trial(1, 7)), []).summary
    assert text == (
        "Trial 001 has not learnt: its accuracy is 0.140, and that of always naming the largest "
        "class is 0.143."
    )


def test_a_difference_has_a_verdict_and_what_the_best_trial_lost_is_named(
    trial: Trial, study: Study
) -> None:
    clear = build_baseline_section(study(trial(0, 20), trial(6, 35))).summary
    assert clear.endswith(
        "Its macro F1 is higher by 0.300 (unlikely to be chance). It is worse in: the gap by 0.120 "
        "(unlikely to be chance)."
    )
    close = build_baseline_section(study(trial(1, 30), trial(0, 29))).summary
    assert "(may be chance)" in close
    unlearnt = build_baseline_section(study(trial(0, 5), trial(1, 6))).summary
    assert "Trial 000 has not learnt" in unlearnt
    assert "Trial 001 has not learnt" in unlearnt
    assert "chance" not in unlearnt


def test_a_study_that_varies_no_augmentation_or_no_size_says_so() -> None:
    points = _points(1_000_000, (0.0, [0.3] * 3)) + _points(4_000_000, (0.0, [0.4] * 3))
    assert "does not vary augmentation" in summarize_augmentation(points, {"depth"})
    for varied in ({"augmentation"}, {"learning_rate"}):
        assert "does not vary the size" in summarize_augmentation(points, varied)


def test_parameters_are_those_of_the_network() -> None:
    assert count_trial_parameters(BASELINE, 7) == 2_585_831
