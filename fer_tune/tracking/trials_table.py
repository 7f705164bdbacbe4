"""The table of a study's trials: `trials.csv` in MLflow, and a data frame of the Python API."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from fer_tune.events import STATUS_WORDS
from fer_tune.tracking.queries import TrialRun
from fer_tune.tracking.tags import BEST_PREFIX, EPOCH

if TYPE_CHECKING:
    from pandas import DataFrame

TRIALS_FILE = "trials.csv"


def build_trials_dataframe(trials: Sequence[TrialRun]) -> "DataFrame":
    """Return a table with a row for each trial.

    Its columns are `number`, `state`, the hyperparameters, `best/epoch`, and the metrics of the
    best epoch as MLflow names them. A trial without an epoch lacks the latter.
    """
    from pandas import DataFrame

    from fer_tune.trial_config import TrialConfig

    names = {name for trial in trials for name in trial.best_metrics}
    rows = [
        {
            "number": trial.number,
            "state": STATUS_WORDS[trial.ending],
            **trial.config.model_dump(mode="json"),
            **{BEST_PREFIX + name: value for name, value in trial.best_metrics.items()},
        }
        for trial in trials
    ]
    best = [BEST_PREFIX + name for name in sorted(names, key=lambda name: (name != EPOCH, name))]
    table = DataFrame(rows, columns=["number", "state", *TrialConfig.model_fields, *best])
    return table.astype(dict.fromkeys(best[:1], "Int64"))  # a trial may lack the epoch
