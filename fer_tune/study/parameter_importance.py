"""Importance of each parameter of a space, by Optuna's fANOVA."""

from collections.abc import Sequence

import numpy as np

from fer_tune.study.records.trial_record import TrialRecord
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
    import optuna
    from optuna.importance import FanovaImportanceEvaluator, get_param_importances

    values = np.array(scores)
    if len(trials) < MIN_TRIALS or np.ptp(values) == 0:
        return {}
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    rng, distributions = np.random.default_rng(0), space.to_distributions()
    points = [space.fill_inactive(trial.config) for trial in trials]
    shares: dict[str, list[float]] = {name: [] for name in space.parameters}
    for _ in range(_RESAMPLES):
        study, sample = optuna.create_study(), rng.integers(len(trials), size=len(trials))
        for i in sample:
            known = {"params": points[i], "distributions": distributions, "value": scores[i]}
            study.add_trial(optuna.trial.create_trial(**known))
        forest = FanovaImportanceEvaluator(n_trees=_TREES, seed=0)
        result = get_param_importances(study, evaluator=forest) if np.ptp(values[sample]) else {}
        for name in shares:
            shares[name].append(result.get(name, 0.0))
    stats = {name: (float(np.mean(v)), float(np.std(v, ddof=1))) for name, v in shares.items()}
    return dict(sorted(stats.items(), key=lambda item: -item[1][0]))
