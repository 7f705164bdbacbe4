"""How much each parameter of a table counts where the nearest configuration is looked for."""

from collections.abc import Sequence

import numpy as np

from benchmarks.replay.nearest import Config, Nearest, Parameters

TREES = 300


def weights_of(
    parameters: Parameters, configs: Sequence[Config], scores: Sequence[float]
) -> dict[str, float]:
    """By each parameter's name, its share of what a forest explains of the scores.

    Where all count the same, the nearest of so few configurations in so many dimensions is near
    in what does not matter. (Importances by impurity: Louppe et al. 2013, equation 3.)
    """
    from sklearn.ensemble import ExtraTreesRegressor

    codes = Nearest(parameters, configs).codes
    columns, owners = [], []
    for index, parameter in enumerate(parameters.values()):
        values = np.nan_to_num(codes[:, index], nan=-1)
        kinds = np.unique(values) if parameter["type"] == "choice" else None
        for column in [values] if kinds is None else [values == kind for kind in kinds]:
            columns.append(column)
            owners.append(index)
    forest = ExtraTreesRegressor(TREES, min_samples_leaf=2, random_state=0)
    shares = forest.fit(np.array(columns, float).T, scores).feature_importances_
    totals = np.bincount(owners, weights=shares, minlength=len(parameters))
    return dict(zip(parameters, totals.tolist(), strict=True))


def left_out(nearest: Nearest, scores: Sequence[float]) -> float:
    """Spearman's correlation of each configuration's score with that of its nearest other one."""
    import pandas as pd

    own = pd.Series(scores)
    return float(own.rank().corr(own[nearest.others()].reset_index(drop=True).rank()))
