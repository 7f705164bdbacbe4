import pytest

from fer_tune.common.errors import UserError
from fer_tune.data.demo.demo_splits import draw_demo_splits
from fer_tune.search.label_check import check_labels


def test_training_on_votes_needs_votes() -> None:
    splits = draw_demo_splits()
    check_labels(("given", None), splits)
    with pytest.raises(
        UserError,
        match=r"labels: votes needs people.s votes.* --data, and a table of them with --votes",
    ):
        check_labels(("given", "votes"), splits)
