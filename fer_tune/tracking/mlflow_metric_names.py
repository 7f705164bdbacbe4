"""The names in MLflow of an epoch's metrics, and of the metrics of a trial's best epoch."""

import re

from fer_tune.scoring.metrics import EpochResult
from fer_tune.tracking.tags import BEST_PREFIX, EPOCH, SECONDS

# MLflow's check of names takes combining marks, such as Hindi's vowel signs, for no letters.
_REFUSED = re.compile(r"[^/\w.\- :]")


def to_mlflow_name(metric: str) -> str:
    """Return a metric's name in characters that MLflow accepts: `-u0941` for a combining mark."""
    return _REFUSED.sub(lambda match: f"-u{ord(match[0]):04x}", metric)


def to_epoch_metrics(result: EpochResult) -> dict[str, float]:
    """Return the metrics of the epoch by name, with its seconds and its number.

    The number comes last: it says that the epoch is recorded.
    """
    metrics = {to_mlflow_name(name): value for name, value in result.metrics.items()}
    return {**metrics, SECONDS: result.seconds, EPOCH: float(result.epoch)}


def to_best_name(metric: str) -> str:
    """Convert val/macro_f1 to best/macro_f1, train/loss to best/train_loss, gap to best/gap."""
    return BEST_PREFIX + to_mlflow_name(metric).removeprefix("val/").replace("/", "_")


def to_best_metrics(result: EpochResult, metric: str) -> dict[str, float]:
    """Return the metrics of a trial's best epoch, with `best/epoch`; the first is its score.

    metric: the study's. Other metrics of single classes are left out.
    """
    names = [name for name in result.metrics if not name.startswith("val_") and name != metric]
    best = {to_best_name(metric): result.metrics[metric], f"{BEST_PREFIX}epoch": result.epoch}
    return best | {to_best_name(name): result.metrics[name] for name in names}
