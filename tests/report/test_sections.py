from collections.abc import Callable
from dataclasses import replace

import numpy as np

from fer_tune.report import learning_curves
from fer_tune.report.best_trial import summarize_classes as best_words
from fer_tune.report.complexity import ComplexityPoint, count_trial_parameters
from fer_tune.report.complexity import summarize_complexity as complexity_words
from fer_tune.report.improvement import build_improvement_section
from fer_tune.report.load_study import ReportedStudy
from fer_tune.report.overfitting import build_overfitting_section
from fer_tune.report.overfitting import summarize_overfitting as overfitting_words
from fer_tune.study.records.trial_record import TrialRecord
from fer_tune.study.search_space.space import Constraints, SearchSpace, UpperBound
from fer_tune.trial_config import BASELINE

Trial = Callable[..., TrialRecord]
Study = Callable[..., ReportedStudy]


def test_the_gain_is_told_with_its_interval(trial: Trial, study: Study) -> None:
    told = build_improvement_section(study(trial(0, 20), trial(1, 30))).summary
    assert "Trial 001 reaches a macro F1 of 0.600 (0." in told
    assert "a difference of 0.200 (0.1" in told


def test_a_study_that_gained_nothing_says_so(trial: Trial, study: Study) -> None:
    told = build_improvement_section(study(trial(0, 30), trial(1, 20))).summary
    assert told.startswith("No trial was better than the paper's configuration")


def test_the_best_of_a_study_with_a_largest_gap_is_told_as_such(trial: Trial, study: Study) -> None:
    # The gap of these trials is .02 more than a fiftieth of their number.
    told = study(trial(0, 20), trial(1, 25), trial(4, 30))
    limited = replace(told, space=_limited(told.space, 0.05))
    words = "Trial 001 (the best of those with a gap of at most 0.05) reaches a macro F1 of 0.5"
    assert build_improvement_section(limited).summary.startswith(words)
    none = build_improvement_section(replace(told, space=_limited(told.space, 0.01))).summary
    assert "(no trial that ran to its end has a gap of at most 0.01; this one comes " in none
    assert "Right of the dotted line" in build_overfitting_section(limited).note
    assert "Right of the dotted line" not in build_overfitting_section(told).note


def _limited(space: SearchSpace, most: float) -> SearchSpace:
    return space.model_copy(update={"constraints": Constraints(gap=UpperBound(at_most=most))})


def test_trials_that_no_other_beats_are_listed(trial: Trial, study: Study) -> None:
    (table,) = build_overfitting_section(
        study(trial(0, 20), trial(1, 10), trial(2, 30, ending=None))
    ).tables
    assert [row[:3] for row in table.rows] == [["000", "finished", "1"], ["002", "running", "1"]]


def test_trials_that_beat_the_papers_are_counted_and_those_that_overfit_less(
    trial: Trial, study: Study
) -> None:
    # The gap of these trials grows with their number, and with their epochs.
    told = build_overfitting_section(
        study(trial(0, 10, 20), trial(1, 30, 30), trial(3, 30), trial(2, 10))
    ).summary
    assert told.startswith("Of 3 other trials, 2 did better in macro F1")
    assert "none of them with a smaller gap" in told


def test_importances_are_told_only_of_enough_finished_trials(
    trial: Trial, study: Study, many: ReportedStudy
) -> None:
    few = build_overfitting_section(study(trial(0, 10, 20), trial(1, 30, 30)))
    assert len(few.pictures) == 1
    assert "no hyperparameter importances: they need 10 trials" in few.note
    enough = build_overfitting_section(many)
    assert len(enough.pictures) == 2
    assert "what decides the gap most is" in enough.summary


def test_parameters_that_may_decide_the_gap_as_much_are_told_too(
    trial: Trial, study: Study
) -> None:
    def told(**shares: tuple[float, float]) -> str:
        return overfitting_words(study(trial(0, 10)), {"gap": shares})

    assert told(depth=(0.5, 0.1), dropout=(0.3, 0.1)).endswith(
        "what decides the gap most is depth (50% ± 10% of its variance)."
    )
    assert "or dropout: too few" in told(depth=(0.5, 0.2), dropout=(0.3, 0.1))
    assert "or one of 2 more, such as dropout: too few" in told(
        depth=(0.2, 0.1), dropout=(0.15, 0.1), width=(0.1, 0.1)
    )


def test_what_was_stopped_and_saved_is_counted(trial: Trial) -> None:
    told = learning_curves.summarize_stopping(
        [trial(0, *[1] * 15), trial(1, 1, 1, 1, ending="stopped"), trial(2, ending="failed")], 15
    )
    assert "1 finished, 1 stopped, 1 failed" in told
    assert "stopping 1 after epoch 3 saved 12 of 30 epochs (40%)" in told


def test_the_class_most_mistaken_is_named() -> None:
    confusion = np.array([[90, 10, 0], [5, 5, 0], [0, 0, 50]])
    assert best_words(4, ("happy", "disgust", "sad"), confusion) == (
        "Trial 004 tells sad best (F1 1.00) and disgust worst (F1 0.40); most often, 50% of the "
        "disgust faces are taken for happy."
    )


def test_augmentation_is_told_apart_in_smaller_and_larger_networks() -> None:
    found = [
        ComplexityPoint(parameters, augmentation, 0.5, gap, is_completed=True)
        for parameters, augmentation, gap in [
            (1_000_000, 0.0, 0.3), (1_000_000, 0.9, 0.2), (4_000_000, 0.1, 0.6), (4_000_000, 1, 0.1)
        ]
    ]  # fmt: skip
    # Has hardly learnt, so that its gap says nothing.
    found.append(ComplexityPoint(1_000_000, 0.0, 0.1, 0.0, is_completed=False))
    told = complexity_words(found, {"augmentation", "depth"})
    assert told.startswith("The trials that ran to their end, parted at 2.5 million")
    assert "smaller networks is 0.300 with augmentation up to 0.5 and 0.200 above" in told
    assert "larger networks is 0.600 with augmentation up to 0.5 and 0.100 above" in told


def test_a_study_that_varies_no_augmentation_or_no_size_says_so() -> None:
    found = [
        ComplexityPoint(1_000_000, 0.0, 0.5, 0.3, is_completed=True),
        ComplexityPoint(4_000_000, 0.0, 0.5, 0.4, is_completed=True),
    ]
    assert "varies no augmentation" in complexity_words(found, {"depth"})
    for varied in ({"augmentation"}, {"learning_rate"}):
        assert "does not vary the size" in complexity_words(found, varied)


def test_parameters_are_those_of_the_network() -> None:
    assert count_trial_parameters(BASELINE, 7) == 2_585_831
