"""A sampler with a Gaussian process that also learns from pruned trials."""

import math
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from optuna import Study
from optuna.distributions import BaseDistribution
from optuna.samplers import GPSampler, RandomSampler
from optuna.study import StudyDirection, create_study
from optuna.trial import FrozenTrial, TrialState, create_trial

from fer_tune.study.optuna_study import sum_excess
from fer_tune.study.search_space.parameters import Point, Value
from fer_tune.study.search_space.space import SearchSpace
from fer_tune.trial_config import TrialConfig


class StudyGpSampler(RandomSampler):
    """Optuna's Gaussian process over all parameters of a space, fitted to predicted final scores.

    Optuna's own GPSampler leaves out pruned trials, and parameters that some trials lack. Here, a
    pruned trial counts with the score that it would probably have at its end. A parameter that a
    trial lacks counts with the value that the process proposed for it, else with a constant.

    The first trials are random. If the process proposes a point that was tried before, the trial
    is random too.

    If the space limits the gap, a trial's score is reduced by the excess of its gap.

    startup_trials: number of trials that end before the process is used.
    """

    def __init__(self, space: SearchSpace, seed: int, startup_trials: int) -> None:
        super().__init__(seed)
        self._space, self._startup_trials = space, startup_trials
        self._distributions = space.to_distributions()
        self._random = np.random.default_rng(seed)
        self._proposals: dict[int, dict[str, Any]] = {}  # by the trial's number

    def infer_relative_search_space(
        self, study: Study, trial: FrozenTrial
    ) -> dict[str, BaseDistribution]:
        return self._distributions

    def sample_relative(
        self, study: Study, trial: FrozenTrial, search_space: dict[str, BaseDistribution]
    ) -> dict[str, Any]:
        if "fixed_params" in trial.system_attrs:  # enqueued; Optuna would not use a proposal
            return {}
        trials = study.get_trials(deepcopy=False)
        scored = list(predict_final_scores(trials, study.direction))
        if len(scored) < self._startup_trials:
            return {}
        running = [
            each
            for each in trials
            if each.state == TrialState.RUNNING and each.number != trial.number
        ]
        seed = int(self._random.integers(2**31))
        model = create_study(
            direction=study.direction, sampler=GPSampler(seed=seed, n_startup_trials=1)
        )
        model.add_trials([self._make_trial(*each) for each in scored])
        model.add_trials([self._make_trial(each, None) for each in running])
        proposal = model.ask(self._distributions).params
        point = self._space.extract_point(proposal)
        # Near the end of a study, the process would repeat its best point again and again.
        if any(_is_same_point(point, each.params) for each in trials):
            return {}
        self._proposals[trial.number] = proposal
        return proposal

    def _make_trial(self, trial: FrozenTrial, score: float | None) -> FrozenTrial:
        """Return a trial with a value for every parameter; it is running if it has no score."""
        return create_trial(
            state=TrialState.RUNNING if score is None else TrialState.COMPLETE,
            value=score,
            # Without the proposed values, the process would propose the same trial again.
            params=self._space.fill_inactive(TrialConfig(**trial.params))
            | self._proposals.get(trial.number, {})
            | trial.params,
            distributions=self._distributions,
        )


def _is_same_point(point: Point, other: Point) -> bool:
    """Return whether two points have the same parameters and values, except for rounding."""

    def is_same(value: Value, other_value: Value) -> bool:
        if isinstance(value, float) and isinstance(other_value, float):
            return math.isclose(value, other_value)
        return value == other_value

    return point.keys() == other.keys() and all(is_same(point[name], other[name]) for name in point)


def predict_final_scores(
    trials: Sequence[FrozenTrial], direction: StudyDirection
) -> Iterator[tuple[FrozenTrial, float]]:
    """Yield the trials that have ended, each with its predicted score after the last epoch.

    A completed trial has its own score. A pruned trial is expected to gain as much after its last
    epoch as completed trials did, on average. The excess of the gap makes every score worse.
    """
    completed = [trial for trial in trials if trial.state == TrialState.COMPLETE]
    sign = 1 if direction == StudyDirection.MAXIMIZE else -1

    def predict_score(trial: FrozenTrial) -> float:
        if trial.state == TrialState.COMPLETE:
            return float(trial.values[0])
        epoch, value = max(trial.intermediate_values.items())
        gains = [
            each.values[0] - each.intermediate_values[epoch]
            for each in completed
            if epoch in each.intermediate_values
        ]
        return value + (float(np.mean(gains)) if gains else 0.0)

    for trial in trials:
        if trial.state in (TrialState.COMPLETE, TrialState.PRUNED) and trial.intermediate_values:
            score = predict_score(trial) - sign * sum_excess(trial)
            if math.isfinite(score):
                yield trial, score
