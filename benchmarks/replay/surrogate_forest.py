"""What answers for a configuration that is not in the table: a forest. Knows no fer_tune.

Every system asks through this, also one that runs under a Python of its own.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.ensemble import RandomForestRegressor

TREE_COUNT = 200
MIN_LEAF_SIZE = 5  # configurations at least, so that no single one's luck is an answer
FOLD_COUNT = 10

# By its name, each parameter of a space as a search space's file has it.
Parameters = Mapping[str, Mapping[str, Any]]
Config = Mapping[str, Any]


class SurrogateForest:
    """Curves by configuration, learnt from those of a table.

    As surrogates of benchmarks are made (Eggensperger et al. 2015, section 4, where random forests
    were the best of eight models).

    curves: (N, E) a value an epoch, of the N configurations.
    """

    def __init__(
        self, parameters: Parameters, configs: Sequence[Config], curves: ArrayLike
    ) -> None:
        self._parameters = parameters
        self._codes = np.array([self._encode_config(each) for each in configs])
        self._curves = np.asarray(curves, dtype=np.float64)
        self._trees = _fit_trees(self._codes, self._curves)
        self._known: dict[bytes, NDArray[np.float64]] = {}

    def __call__(self, config: Config) -> NDArray[np.float64]:
        """(E,) the curve of a configuration."""
        code = np.array([self._encode_config(config)])
        if code.tobytes() not in self._known:
            self._known[code.tobytes()] = _predict_curves(self._trees, code)[0]
        return self._known[code.tobytes()]

    def predict_left_out(self) -> NDArray[np.float64]:
        """(N, E) the curves as forests tell them that do not know them, in ten folds."""
        told = np.empty_like(self._curves)
        folds = np.random.default_rng(0).permutation(len(told)) % FOLD_COUNT
        for fold in set(folds.tolist()):
            out = folds == fold
            trees = _fit_trees(self._codes[~out], self._curves[~out])
            told[out] = _predict_curves(trees, self._codes[out])
        return told

    def _encode_config(self, config: Config) -> list[float]:
        """Numbers on [0, 1], choices a column each; what a configuration does not have is apart."""
        code: list[float] = []
        has = select_active_parameters(self._parameters, config)
        for name, parameter in self._parameters.items():
            if parameter["type"] == "choice":
                code += [float(has.get(name) == value) for value in parameter["values"]]
            else:
                code.append(_scale_to_unit(parameter, has[name]) if name in has else -1.0)
        return code


def select_active_parameters(parameters: Parameters, config: Config) -> dict[str, Any]:
    """Of the values of a configuration, those of the parameters that it has by their `when`."""

    def is_active(name: str) -> bool:
        asked = parameters[name].get("when") or {}
        return all(is_active(other) and config[other] in asked[other] for other in asked)

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
    return [each.tree_ for each in forest.fit(codes, curves).estimators_]


def _predict_curves(trees: Sequence[Any], codes: NDArray[np.float64]) -> NDArray[np.float64]:
    """(N, E); the trees are asked directly, which takes a tenth of the time for a single one."""
    asked = codes.astype(np.float32)
    told = np.mean([each.predict(asked) for each in trees], axis=0)
    return np.asarray(told).reshape(len(codes), -1)
