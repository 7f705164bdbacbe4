"""The check of the labels that a space or a configuration trains on."""

from collections.abc import Collection

from fer_tune.common.errors import UserError
from fer_tune.data.faces import Splits


def check_labels(sources: Collection[object], splits: Splits) -> None:
    """Raise UserError if trials train on labels that these faces do not have.

    sources: values of the hyperparameter `labels`.
    """
    if "votes" in sources and splits.train.votes is None:
        problem = f"labels: votes needs people's votes, but {splits.source} has none"
        faces = "" if splits.origin else "real faces with --data, and "
        advice = f"name {faces}a table of them with --votes, such as fer2013new.csv"
        raise UserError(f"{problem}; {advice}")
