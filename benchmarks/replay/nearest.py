"""The configuration of a table that answers for another one. Knows no package but NumPy.

Every system asks through this, also one that runs under a Python of its own.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

# By its name, each parameter of a space as a search space's file has it.
Parameters = Mapping[str, Mapping[str, Any]]
Config = Mapping[str, Any]


def existing(parameters: Parameters, config: Config) -> dict[str, Any]:
    """Of the values of a configuration, those of the parameters that it has by their `when`."""

    def exists(name: str) -> bool:
        asked = parameters[name].get("when") or {}
        return all(exists(other) and config[other] in asked[other] for other in asked)

    return {name: config[name] for name in parameters if exists(name)}


class Nearest:
    """The nearest of `configs` by the weighted sum of squared differences of the parameters.

    Numbers are scaled to [0, 1] over their range, in the logarithm where the space has it so;
    choices differ by 1, and so do configurations of which only one has a parameter.

    weights: by name; None where all count the same.
    codes: (N, P) the configurations; a choice as its index, NaN for what one does not have.
    """

    def __init__(
        self,
        parameters: Parameters,
        configs: Sequence[Config],
        weights: Mapping[str, float] | None = None,
    ) -> None:
        self._parameters = parameters
        self._weights = np.array([(weights or {}).get(name, 1.0) for name in parameters])
        self._is_choice = np.array([each["type"] == "choice" for each in parameters.values()])
        self.codes = np.stack([self._code(each) for each in configs])

    def __call__(self, config: Config) -> int:
        """The index of the nearest; the first where several are as near."""
        return int(np.argmin(self._apart(self._code(existing(self._parameters, config)))))

    def others(self) -> NDArray[np.int64]:
        """(N,) for each of the configurations, the nearest of the others."""
        apart = np.stack([self._apart(code) for code in self.codes])
        np.fill_diagonal(apart, np.inf)
        return np.asarray(np.argmin(apart, axis=1))

    def _apart(self, code: NDArray[np.float64]) -> NDArray[np.float64]:
        """(N,) how far each configuration is from one."""
        apart = np.abs(self.codes - code)
        apart = np.where(self._is_choice, apart != 0, apart)
        absent, lacking = np.isnan(self.codes), np.isnan(code)
        apart = np.where(absent | lacking, absent != lacking, apart)
        return np.asarray((self._weights * apart**2).sum(axis=1))

    def _code(self, config: Config) -> NDArray[np.float64]:
        return np.array(
            [
                _position(parameter, config[name]) if name in config else np.nan
                for name, parameter in self._parameters.items()
            ]
        )


def _position(parameter: Mapping[str, Any], value: Any) -> float:
    if parameter["type"] == "choice":
        return float(list(parameter["values"]).index(value))
    low, high = parameter["low"], parameter["high"]
    if parameter.get("log"):
        low, high, value = np.log([low, high, value])
    return float((value - low) / (high - low))
