"""Logarithms of parameters for MLflow's parallel coordinates, whose axes are linear."""

import math
from collections.abc import Iterable, Mapping

LOG10_PREFIX = "log10_"  # log10_learning_rate is the logarithm of learning_rate


def compute_log10_params(values: Mapping[str, object], names: Iterable[str]) -> dict[str, str]:
    """Return the logarithms to be logged of the parameters `names` that a trial has.

    values: the trial's parameters, as numbers or as text.
    """
    logs = {name: math.log10(float(str(values[name]))) for name in names if name in values}
    return {LOG10_PREFIX + name: f"{log:.4g}" for name, log in logs.items()}
