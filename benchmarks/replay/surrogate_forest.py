"""Random forest that predicts the learning curve of any configuration.

All compared systems use it, also those in another Python. It therefore imports nothing of fer_tune.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.ensemble import RandomForestRegressor

TREE_COUNT = 200
MIN_LEAF_SIZE = 5  # averages out the luck of single configurations
FOLD_COUNT = 10

# Parameters by name, with the keys of a search space's file.
Parameters = Mapping[str, Mapping[str, Any]]
Config = Mapping[str, Any]


class SurrogateForest:
    """Model of learning curves by configuration, fitted to a table.

    Source: Eggensperger et al. 2015, section 4: random forests are the best of eight surrogates.

    curves: (N, E), a value for each configuration and epoch.
    """

    def __init__(
        self, parameters: Parameters, configs: Sequence[Config], curves: ArrayLike
    ) -> None:
        self._parameters = parameters
        self._codes = np.array([self._encode_config(config) for config in configs])
        self._curves = np.asarray(curves, dtype=np.float64)
        self._trees = _fit_trees(self._codes, self._curves)
        self._cache: dict[bytes, NDArray[np.float64]] = {}

    def __call__(self, config: Config) -> NDArray[np.float64]:
        """Predict the curve (E,) of a configuration."""
        code = np.array([self._encode_config(config)])
        if (key := code.tobytes()) not in self._cache:
            self._cache[key] = _predict_curves(self._trees, code)[0]
        return self._cache[key]

    def predict_left_out(self) -> NDArray[np.float64]:
        """Predict each curve (N, E) by a forest that has not seen it, in ten folds."""
        predicted = np.empty_like(self._curves)
        folds = np.random.default_rng(0).permutation(len(predicted)) % FOLD_COUNT
        for fold in set(folds.tolist()):
            out = folds == fold
            trees = _fit_trees(self._codes[~out], self._curves[~out])
            predicted[out] = _predict_curves(trees, self._codes[out])
        return predicted

    def _encode_config(self, config: Config) -> list[float]:
        """Encode numbers on [0, 1] and choices one-hot; an inactive number is -1."""
        code: list[float] = []
        active = select_active_parameters(self._parameters, config)
        for name, parameter in self._parameters.items():
            if parameter["type"] == "choice":
                code += [float(active.get(name) == value) for value in parameter["values"]]
            else:
                code.append(_scale_to_unit(parameter, active[name]) if name in active else -1.0)
        return code


def select_active_parameters(parameters: Parameters, config: Config) -> dict[str, Any]:
    """Return the values of the parameters that are active by their `when`."""

    def is_active(name: str) -> bool:
        when = parameters[name].get("when") or {}
        return all(is_active(key) and config[key] in values for key, values in when.items())

    return {name: config[name] for name in parameters if is_active(name)}


def _scale_to_unit(parameter: Mapping[str, Any], value: Any) -> float:
    low, high = parameter["low"], parameter["high"]
    if parameter.get("log"):
        low, high, value = np.log([low, high, value])
    return float((value - low) / (high - low))


def _fit_trees(codes: NDArray[np.float64], curves: NDArray[np.float64]) -> list[Any]:
    forest = RandomForestRegressor(
        TREE_COUNT, min_samples_leaf=MIN_LEAF_SIZE, max_features=0.5, random_state=0, n_jobs=1
    )
    return [tree.tree_ for tree in forest.fit(codes, curves).estimators_]


def _predict_curves(trees: Sequence[Any], codes: NDArray[np.float64]) -> NDArray[np.float64]:
    """Predict curves (N, E) by the trees directly, ten times as fast as the forest for one code."""
    inputs = codes.astype(np.float32)
    curves = np.mean([tree.predict(inputs) for tree in trees], axis=0)
    return np.asarray(curves).reshape(len(codes), -1)
