import pytest

from fer_tune.common.errors import UserError
from fer_tune.data.faces import EMOTIONS
from fer_tune.search.metric_check import check_metric


@pytest.mark.parametrize(
    ("name", "closest"),
    [
        ("macro_f1", "val/macro_f1"),
        ("maco_f1", "val/macro_f1"),
        ("accuracy", "val/accuracy"),
        ("val_macro_f1", "val/macro_f1"),
        ("val/makro_f1", "val/macro_f1"),
        ("val_accuracy", "val/accuracy"),
        ("val/acuracy", "val/accuracy"),
        ("val_loss", "val/loss"),
        ("gaps", "gap"),
        ("val_recall_happy", "val_recall/happy"),
        ("val_f1/hapy", "val_f1/happy"),
    ],
)
def test_a_misspelt_metric_is_answered_with_the_closest_one(name: str, closest: str) -> None:
    with pytest.raises(UserError) as error:
        check_metric(name, EMOTIONS)
    start = f"--metric {name}: there is no such metric; closest: {closest}; there are: "
    assert str(error.value).startswith(start)


@pytest.mark.parametrize("name", ["kappa", "auc", "f1", "sad", "ünknown"])
def test_all_metrics_are_named_briefly(name: str) -> None:
    with pytest.raises(
        UserError, match=r"there are: .*val/macro_f1, .*val_f1/CLASS, gap$"
    ) as error:
        check_metric(name, EMOTIONS)
    assert len(str(error.value)) < 250


def test_classes_in_any_script_have_metrics() -> None:
    assert check_metric("val_f1/खुश", ["उदास", "खुश"]) == "val_f1/खुश"
    with pytest.raises(UserError, match="closest: val_f1/खुश"):
        check_metric("val_f1/खुशी", ["उदास", "खुश"])
