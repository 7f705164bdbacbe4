"""Importance of each parameter of a space, by Optuna's fANOVA."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from fer_tune.study.records.trial_record import TrialRecord
from fer_tune.study.search_space.parameters import Point
from fer_tune.study.search_space.space import SearchSpace

MIN_TRIALS = 10  # with fewer, the forest of fANOVA fits noise
_RESAMPLES, _TREES = 8, 32


def estimate_importances(
    trials: Sequence[TrialRecord], space: SearchSpace, scores: Sequence[float]
) -> dict[str, tuple[float, float]]:
    """Return each parameter's share of the variance of the scores, the largest share first.

    Optuna's fANOVA ignores parameters that some trials lack. In a trial that lacks a parameter, it
    has a constant value here, as in SMAC's forests.

    scores: one a trial.

    Returns mean and standard deviation over bootstrap samples of the trials, by parameter. The
    shares in one sample add up to 1. Empty for fewer than MIN_TRIALS trials, or for equal scores.
    """
    values = np.array(scores)
    if len(trials) < MIN_TRIALS or np.ptp(values) == 0:
        return {}
    points = [space.fill_inactive(trial.config) for trial in trials]
    rng = np.random.default_rng(0)
    samples = [rng.integers(len(trials), size=len(trials)) for _ in range(_RESAMPLES)]
    results = [_run_fanova([points[i] for i in s], space, values[s]) for s in samples]
    shares = {name: [result.get(name, 0.0) for result in results] for name in space.parameters}
    stats = {name: (float(np.mean(v)), float(np.std(v, ddof=1))) for name, v in shares.items()}
    return dict(sorted(stats.items(), key=lambda item: -item[1][0]))


def _run_fanova(
    points: Sequence[Point], space: SearchSpace, values: NDArray[np.float64]
) -> dict[str, float]:
    import optuna
    from optuna.importance import FanovaImportanceEvaluator, get_param_importances

    if np.ptp(values) == 0:
        return {}
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    study, distributions = optuna.create_study(), space.to_distributions()
    study.add_trials(
        [
            optuna.trial.create_trial(params=point, distributions=distributions, value=float(value))
            for point, value in zip(points, values, strict=True)
        ]
    )
    forest = FanovaImportanceEvaluator(n_trees=_TREES, seed=0)
    return dict(get_param_importances(study, evaluator=forest))
