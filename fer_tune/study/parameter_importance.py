"""How much each parameter of a space decides, by Optuna's fANOVA."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from fer_tune.study.records.trial_record import TrialRecord
from fer_tune.study.search_space.space import SearchSpace

# Below this a forest grown on the trials tells noise.
MIN_TRIALS = 10
_RESAMPLES, _TREES = 8, 32


def estimate_importances(
    trials: Sequence[TrialRecord], space: SearchSpace, scores: Sequence[float]
) -> dict[str, tuple[float, float]]:
    """The share of each parameter in the variance of what the trials reached, the largest first.

    Optuna's evaluators leave out what only some trials have. Here a parameter that a trial does
    not have counts with one and the same value, as in SMAC's forests.

    reached: by each of the trials.
    Returns mean and standard deviation over samples of the trials with replacement; the shares in
    one sample sum to 1. Empty for fewer than ENOUGH trials, and where all reached the same.
    """
    values = np.array(scores)
    if len(trials) < MIN_TRIALS or np.ptp(values) == 0:
        return {}
    rng = np.random.default_rng(0)
    shares = [
        _run_fanova(rng.integers(len(trials), size=len(trials)), trials, space, values)
        for _ in range(_RESAMPLES)
    ]
    whole = {name: [each.get(name, 0.0) for each in shares] for name in space.parameters}
    told = {name: (float(np.mean(v)), float(np.std(v, ddof=1))) for name, v in whole.items()}
    return dict(sorted(told.items(), key=lambda pair: -pair[1][0]))


def _run_fanova(
    indices: NDArray[np.int64],
    trials: Sequence[TrialRecord],
    space: SearchSpace,
    values: NDArray[np.float64],
) -> dict[str, float]:
    import optuna
    from optuna.importance import FanovaImportanceEvaluator, get_param_importances

    if np.ptp(values[indices]) == 0:
        return {}
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    study, distributions = optuna.create_study(), space.to_distributions()
    study.add_trials(
        [
            optuna.trial.create_trial(
                params=space.fill_inactive(trials[index].config),
                distributions=distributions,
                value=float(values[index]),
            )
            for index in indices
        ]
    )
    forest = FanovaImportanceEvaluator(n_trees=_TREES, seed=0)
    found = get_param_importances(study, evaluator=forest)
    return {name: float(share) for name, share in found.items()}
