from dataclasses import replace

import numpy as np
import pytest

from fer_tune.common.errors import UserError
from fer_tune.data.demo.demo_splits import draw_demo_splits
from fer_tune.data.faces import EMOTIONS, Faces, Splits
from fer_tune.search.new_study import check_finalists, check_labels, check_metric


def splits_of(*classes: str) -> Splits:
    none = Faces(np.empty((0, 48, 48), np.uint8), np.empty(0, np.int64))
    return Splits(classes, none, none, none, "faces", "")


def with_votes(splits: Splits) -> Splits:
    votes = np.empty((0, len(splits.classes)), np.float32)
    return replace(splits, validation=replace(splits.validation, votes=votes))


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
        check_metric(name, splits_of(*EMOTIONS))
    start = f"--metric {name}: there is no such metric; closest: {closest}; there are: "
    assert str(error.value).startswith(start)


@pytest.mark.parametrize("name", ["kappa", "auc", "f1", "sad", "ünknown"])
def test_all_metrics_are_named_briefly(name: str) -> None:
    with pytest.raises(
        UserError, match=r"there are: .*val/macro_f1, .*val_f1/CLASS, gap$"
    ) as error:
        check_metric(name, splits_of(*EMOTIONS))
    assert len(str(error.value)) < 250


def test_classes_in_any_script_have_metrics() -> None:
    assert check_metric("val_f1/खुश", splits_of("उदास", "खुश")) == "val_f1/खुश"
    with pytest.raises(UserError, match="closest: val_f1/खुश"):
        check_metric("val_f1/खुशी", splits_of("उदास", "खुश"))


def test_metrics_of_votes_need_votes() -> None:
    splits = splits_of(*EMOTIONS)
    for name in ("val/votes_macro_f1", "disputed_gap"):
        assert check_metric(name, with_votes(splits)) == name
        with pytest.raises(UserError, match=f"--metric {name}: .* these faces lack; .*--votes"):
            check_metric(name, splits)


def test_training_on_votes_needs_votes() -> None:
    splits = draw_demo_splits()
    check_labels(("given", None), splits)
    with pytest.raises(
        UserError,
        match=r"labels: votes needs people.s votes.* --data, and a table of them with --votes",
    ):
        check_labels(("given", "votes"), splits)


def test_a_study_has_at_most_as_many_finalists_as_trials() -> None:
    assert check_finalists(None, 4) == 0
    assert check_finalists(4, 4) == 4
    with pytest.raises(UserError, match="--finalists 5: the study has 4 trials; give fewer, or"):
        check_finalists(5, 4)


def test_a_resumed_study_may_get_more_finalists_but_not_fewer() -> None:
    assert check_finalists(None, 4, recorded=2) == 2
    assert check_finalists(3, 4, recorded=2) == 3
    with pytest.raises(UserError, match="--finalists 1: the study has 2 already; give more"):
        check_finalists(1, 4, recorded=2)
