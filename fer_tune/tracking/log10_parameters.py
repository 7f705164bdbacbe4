"""Logarithms of parameters for MLflow's parallel coordinates, whose axes are linear."""

import math
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING

from fer_tune.tracking.store import Store

if TYPE_CHECKING:
    from mlflow.entities import Run

LOG10_PREFIX = "log10_"  # log10_learning_rate is the logarithm of learning_rate


def compute_log10_params(values: Mapping[str, object], names: Iterable[str]) -> dict[str, str]:
    """Return the logarithms to be logged of the parameters `names` that a trial has.

    values: the trial's parameters, as numbers or as text.
    """
    return {
        LOG10_PREFIX + name: f"{math.log10(float(str(values[name]))):.4g}"
        for name in names
        if name in values
    }


def log_missing_log10_params(store: Store, run: "Run", names: Iterable[str]) -> None:
    """Log the logarithms that a trial's run of an earlier version lacks.

    MLflow's charts leave out a run without a value for every axis.
    """
    logs = compute_log10_params(run.data.params, names)
    if logs.keys() - run.data.params.keys():
        store.log_params(run.info.run_id, logs)
