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
    """The nearest of `configs` by the sum of squared differences of the parameters.

    Numbers are scaled to [0, 1] over their range, in the logarithm where the space has it so;
    choices differ by 1, and so do configurations of which only one has a parameter.
    """

    def __init__(self, parameters: Parameters, configs: Sequence[Config]) -> None:
        self._parameters = parameters
        self._is_choice = np.array([each["type"] == "choice" for each in parameters.values()])
        self._codes = np.stack([self._code(each) for each in configs])  # (N, P), NaN if absent

    def __call__(self, config: Config) -> int:
        """The index of the nearest; the first where several are as near."""
        code = self._code(existing(self._parameters, config))
        apart = np.abs(self._codes - code)
        apart = np.where(self._is_choice, apart != 0, apart)
        absent, lacking = np.isnan(self._codes), np.isnan(code)
        apart = np.where(absent | lacking, absent != lacking, apart)
        return int(np.argmin((apart**2).sum(axis=1)))

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
