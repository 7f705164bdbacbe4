from collections.abc import Callable

from mlflow.utils.validation import validate_param_and_metric_name

from fer_tune.scoring.metrics import EpochResult
from fer_tune.tracking.mlflow_metric_names import (
    to_best_metrics,
    to_best_name,
    to_epoch_metrics,
    to_mlflow_name,
)


def test_of_single_classes_the_studys_own_metric_alone_is_kept(
    result: Callable[..., EpochResult],
) -> None:
    plain = to_best_metrics(result(1), "val/macro_f1")
    chosen = to_best_metrics(result(1), "val_f1/disgust")
    assert chosen.keys() - plain.keys() == {"best/val_f1_disgust"}


def test_mlflow_takes_the_names_of_classes_in_every_script() -> None:
    names = (
        "\u0916\u0941\u0936\u0940",
        "\u0e22\u0e34\u0e49\u0e21",
        "\u062d\u064f\u0632\u0646",
        "\u6012",
    )
    assert len({to_mlflow_name(name) for name in names}) == len(names)
    for name in names:
        metric = f"val_f1/{name}"
        epoch = to_epoch_metrics(EpochResult(1, {metric: 0.5}, ()))
        assert {*epoch} >= {to_mlflow_name(metric)}
        for written in (*epoch, to_best_name(metric)):
            assert validate_param_and_metric_name(written)


def test_other_names_of_metrics_are_the_same_in_mlflow() -> None:
    for name in ("val_f1/happily surprised", "val_f1/\u6012", "train/loss", "val_f1/a.b-c_d"):
        assert to_mlflow_name(name) == name
