from collections.abc import Callable

from fer_tune.scoring.metrics import EpochResult
from fer_tune.tracking.mlflow_metric_names import to_best_metrics


def test_of_single_classes_the_studys_own_metric_alone_is_kept(
    result: Callable[..., EpochResult],
) -> None:
    plain = to_best_metrics(result(1), "val/macro_f1")
    chosen = to_best_metrics(result(1), "val_f1/disgust")
    assert chosen.keys() - plain.keys() == {"best/val_f1_disgust"}
