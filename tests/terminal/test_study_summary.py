from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest
from rich.console import Console

from fer_tune.events import Ending
from fer_tune.scoring.metrics import EpochResult, Scores, build_epoch_metrics
from fer_tune.study.ranking import rank_trials
from fer_tune.study.records.trial_record import TrialRecord
from fer_tune.study.search_space.load_space import find_space_file, load_space
from fer_tune.terminal import study_summary
from fer_tune.trial_config import TrialConfig
from tests.finalists import add_repeat
from tests.settings import make_settings

METRIC = "val/macro_f1"


def _trial(number: int, scores: Sequence[float], ending: Ending | None) -> TrialRecord:
    history = [
        EpochResult(epoch, {METRIC: score, "val/accuracy": score, "val/loss": 2, "gap": 0.1}, [])
        for epoch, score in enumerate(scores, start=1)
    ]
    config = TrialConfig(learning_rate=10.0 ** -(number + 2))
    return TrialRecord(number, f"{number:03d}", config, history, ending)


def _describe(trials: Sequence[TrialRecord], max_gap: float | None = None) -> str:
    ranked = rank_trials(trials, METRIC, max_gap)
    return study_summary.describe_improvement(ranked, METRIC, max_gap)


@pytest.fixture
def trials() -> list[TrialRecord]:
    """The baseline, a better trial, a pruned one, a failed one without an epoch, a running one."""
    return [
        _trial(0, [0.2, 0.4, 0.3], "finished"),
        _trial(1, [0.3, 0.5, 0.6], "finished"),
        _trial(2, [0.1], "stopped"),
        _trial(3, [], "failed"),
        _trial(4, [0.2], None),
    ]


def test_the_baseline_is_compared_with_the_best_trial(trials: list[TrialRecord]) -> None:
    text = _describe(trials)
    assert "The baseline (the paper's configuration): macro F1 0.400" in text
    assert "The best trial, 001: macro F1 0.600, accuracy 0.600, gap 0.100." in text
    assert "No trial is better" in _describe([trials[0], trials[2]])
    assert "nothing to compare" in _describe(trials[:1])
    text = _describe([_trial(0, [], "failed"), *trials[1:3]])
    assert "The baseline has no result. The best trial, 001: macro F1 0.600" in text


def _confuse(trial: TrialRecord, recalls: Sequence[int], gap: float) -> None:
    """Give the trial one epoch with so many correct faces of 100 in each of three classes."""
    right = np.diag(recalls)
    scores = Scores(1.0, right + np.roll(np.diag(100 - np.diag(right)), 1, axis=1))
    metrics = build_epoch_metrics(scores, scores, ("cat", "dog", "owl")) | {"gap": gap}
    trial.history = [EpochResult(1, metrics, scores.confusion.tolist())]


def test_an_improvement_has_a_verdict_and_names_what_the_best_trial_lost(
    trials: list[TrialRecord],
) -> None:
    _confuse(trials[0], [50, 50, 95], gap=0.1)
    _confuse(trials[1], [90, 90, 60], gap=0.4)
    text = _describe(trials[:2])
    assert "Its macro F1 is higher by 0.1" in text
    assert text.endswith(
        " (unlikely to be chance). It is worse in: owl F1 by 0.070 (may be chance), the gap by "
        "0.300 (unlikely to be chance)."
    )
    _confuse(trials[1], [51, 52, 95], gap=0.1)
    text = _describe(trials[:2])
    assert text.endswith("Its macro F1 is higher by 0.011 (may be chance).")


def test_trials_that_have_not_learnt_are_named_and_not_compared(trials: list[TrialRecord]) -> None:
    _confuse(trials[0], [30, 30, 30], gap=0.0)
    _confuse(trials[1], [31, 33, 36], gap=0.0)
    text = _describe(trials[:2])
    assert text.endswith(
        "Trial 001 has not learnt: its accuracy is 0.333, and that of always naming the largest "
        "class is 0.333. Trial 000 has not learnt: its accuracy is 0.300, and that of always "
        "naming the largest class is 0.333."
    )
    assert "higher" not in text


def test_the_best_trial_satisfies_the_constraint(
    trials: list[TrialRecord],
) -> None:
    _set_gap(trials[1], 0.3)
    assert [each.number for each in rank_trials(trials, METRIC, 0.2)] == [0, 1, 4, 2]
    assert "No trial with a gap of at most 0.2 is better" in _describe(trials, 0.2)
    _set_gap(trials[0], 0.4)
    _set_gap(trials[1], 0.2)
    text = _describe(trials, 0.2)
    assert "The best trial with a gap of at most 0.2, 001: macro F1 0.600" in text


def test_if_no_trial_satisfies_the_constraint_the_closest_is_named(
    trials: list[TrialRecord],
) -> None:
    _set_gap(trials[1], 0.05)
    _set_gap(trials[2], 0.0)  # of a pruned trial
    text = _describe(trials, 0.02)
    assert text.startswith("No completed trial has a gap of at most 0.02. The baseline ")
    assert "The closest trial, 001: macro F1 0.600" in text
    _set_gap(trials[0], 0.03)
    assert "closest" not in _describe(trials, 0.02)


def _set_gap(trial: TrialRecord, gap: float) -> None:
    trial.history = [
        EpochResult(each.epoch, {**each.metrics, "gap": gap}, []) for each in trial.history
    ]


def test_the_summary_says_what_a_study_cost_and_what_pruning_saved(
    trials: list[TrialRecord],
) -> None:
    trials[0].history = [replace(each, seconds=400.0) for each in trials[0].history]
    assert study_summary.summarize_cost(trials, epochs=3) == (
        "Trials: 5 (2 completed, 1 pruned, 1 failed, 1 running). "
        "Epochs: 8, 20 min of training in all, and 2 saved by stopping early."
    )


@pytest.mark.parametrize("metric", [METRIC, "val/loss"])
def test_the_outcome_fits_eighty_columns(trials: list[TrialRecord], metric: str) -> None:
    console = Console(width=80)
    space = load_space(find_space_file("regularize"))
    with console.capture() as capture:
        settings = make_settings("shown", "regularize", space, metric=metric)
        study_summary.show_outcome(console, trials, settings)
    text = capture.get()
    assert max(len(line) for line in text.splitlines()) <= 80
    assert "000 baseline completed 2 of 3" in text or metric != METRIC
    assert "learning_rate=0.001 " in text
    assert "…" not in text
    if metric == METRIC:
        assert text.splitlines()[2].startswith("001 ")


def test_the_summary_has_the_finalists_and_the_cost_of_their_repeats(
    trials: list[TrialRecord],
) -> None:
    settings = make_settings("shown", "smoke", load_space(find_space_file("smoke")))
    assert "inalist" not in study_summary.render_summary(trials, settings)
    for finalist, score in ((trials[0], 0.5), (trials[1], 0.2)):
        for seed in (2, 3):
            result = EpochResult(1, {METRIC: score, "gap": 0.1}, [], seconds=30)
            add_repeat(finalist, seed, result)
    text = study_summary.render_summary(trials, settings)
    assert "No trial is better than the baseline" in text
    assert "Of 2 finalists, the means over the seeds chose trial 000" in text
    assert "Repeats of finalists: 4. Epochs: 12, 2 min of training in all, and" in text
