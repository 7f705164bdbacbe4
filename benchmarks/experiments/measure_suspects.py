"""Compare a list of suspects with people's votes: how many suspects have a disputed label?

python -m benchmarks.experiments.measure_suspects fer2013.csv suspects.csv fer2013new.csv
"""

import argparse
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from benchmarks.markdown_table import format_markdown_table
from fer_tune.common import cli
from fer_tune.data.faces import Faces
from fer_tune.data.load import load_splits
from fer_tune.data.read_options import ReadOptions
from fer_tune.data.suspect_list import read_suspects
from fer_tune.data.votes import find_plurality, is_agreed

FIRST = (500, 1000, 5000)


def main(argv: Sequence[str] | None = None) -> None:
    """Print the table."""
    options = _parse_options(argv)
    splits = load_splits(options.faces, ReadOptions(votes=options.votes))
    print(format_table(read_suspects(options.suspects).rank_faces(splits).train))


def _parse_options(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.experiments.measure_suspects",
        description=__doc__.splitlines()[0],
    )
    parser.add_argument("faces", type=Path, help="faces with labels, such as fer2013.csv")
    parser.add_argument("suspects", type=Path, help="list of the command suspects for these faces")
    parser.add_argument("votes", type=Path, help="people's votes, such as fer2013new.csv")
    return parser.parse_args(argv)


def format_table(train: Faces) -> str:
    """Return a table of the share of wrong labels among the first suspects, and of all faces.

    A label is disputed if it is not the only one with the most votes. It is outvoted if others have
    more votes. Faces without votes do not count.

    train: the training faces, with votes and their positions in the list.
    """
    assert train.suspect_ranks is not None
    plurality = find_plurality(train)
    has_votes = plurality >= 0
    kinds = {"disputed": ~is_agreed(train), "outvoted": plurality != train.labels}
    headings = ["label", *(f"first {count:,}" for count in FIRST), "all faces", "area under ROC"]
    rows = [
        [name, *_measure_precision(is_wrong[has_votes], train.suspect_ranks[has_votes])]
        for name, is_wrong in kinds.items()
    ]
    return format_markdown_table(headings, rows)


def _measure_precision(is_wrong: NDArray[np.bool_], ranks: NDArray[np.int64]) -> list[str]:
    from sklearn.metrics import roc_auc_score

    ordered = is_wrong[np.argsort(ranks)]
    shares = [ordered[:count].mean() for count in (*FIRST, len(ordered))]
    area = roc_auc_score(ordered, -np.arange(len(ordered)))
    return [*(f"{share:.1%}" for share in shares), f"{area:.3f}"]


if __name__ == "__main__":
    cli.run_command(main)
