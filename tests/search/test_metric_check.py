import pytest

from fer_tune.common.errors import UserError
from fer_tune.data.faces import EMOTIONS
from fer_tune.search.metric_check import check_metric


@pytest.mark.parametrize(
    ("name", "closest"),
    [
        ("f1", "val/macro_f1"),
        ("F1", "val/macro_f1"),
        ("val_f1", "val/macro_f1"),
        ("val/f1_score", "val/macro_f1"),
        ("macro_f1", "val/macro_f1"),
        ("Macro-F1", "val/macro_f1"),
        ("maco_f1", "val/macro_f1"),
        ("acc", "val/accuracy, val/polarity_accuracy"),
        ("accuracy", "val/accuracy, val/polarity_accuracy"),
        ("val_accuracy", "val/accuracy"),
        ("train_acc", "val/accuracy, val/polarity_accuracy"),
        ("val/acuracy", "val/accuracy"),
        ("polarity", "val/polarity_accuracy"),
        ("loss", "val/loss"),
        ("Val/Loss", "val/loss"),
        ("gaps", "gap"),
        ("sad", "val_precision/sad, val_recall/sad, val_f1/sad"),
        ("sad_f1", "val_f1/sad"),
        ("val_recall_happy", "val_recall/happy"),
        ("val_f1/hapy", "val_f1/happy"),
        ("recall", "val_recall/angry, val_recall/disgust, val_recall/fear"),
    ],
)
def test_a_wrong_metric_is_answered_with_what_is_meant(name: str, closest: str) -> None:
    with pytest.raises(UserError) as error:
        check_metric(name, EMOTIONS)
    assert str(error.value).endswith(
        f"--metric {name}: there is no such metric; closest: {closest}"
    )


@pytest.mark.parametrize("name", ["kappa", "auc", "xyz/", "ünknown"])
def test_without_anything_near_all_metrics_are_named_briefly(name: str) -> None:
    with pytest.raises(
        UserError, match=r"there are: .*val/macro_f1, .*val_f1/CLASS, gap$"
    ) as error:
        check_metric(name, EMOTIONS)
    assert len(str(error.value)) < 250


def test_classes_in_any_script_have_metrics() -> None:
    assert check_metric("val_f1/खुश", ["उदास", "खुश"]) == "val_f1/खुश"
    with pytest.raises(UserError, match="closest: val_f1/खुश"):
        check_metric("val_f1/खुशी", ["उदास", "खुश"])
