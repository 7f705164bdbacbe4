"""The metrics of an epoch, and of a trial's best epoch so far, as MLflow has them."""

from fer_tune.scoring.metrics import EpochResult
from fer_tune.tracking.tags import BEST_PREFIX, EPOCH, SECONDS


def to_epoch_metrics(result: EpochResult) -> dict[str, float]:
    """What the epoch is judged by, its number and its time."""
    return {**result.metrics, EPOCH: float(result.epoch), SECONDS: result.seconds}


def to_best_name(metric: str) -> str:
    """val/macro_f1 becomes best/macro_f1, train/loss best/train_loss, gap best/gap."""
    return BEST_PREFIX + metric.removeprefix("val/").replace("/", "_")


def to_best_metrics(result: EpochResult, metric: str) -> dict[str, float]:
    """The trial's score, `best/epoch` and a copy of each other metric.

    metric: the study's; of single classes, it alone is copied.
    """
    best = {
        to_best_name(metric): result.metrics[metric],
        f"{BEST_PREFIX}epoch": float(result.epoch),
    }
    others = {name: value for name, value in result.metrics.items() if not name.startswith("val_")}
    return best | {to_best_name(name): value for name, value in others.items()}
