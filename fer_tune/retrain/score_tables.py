"""Test scores beside the paper's."""

from collections.abc import Mapping, Sequence

import numpy as np
from rich.table import Table

from fer_tune.scoring import paper_results as paper_results
from fer_tune.scoring.metrics import EpochResult, Scores
from fer_tune.terminal.formatting import build_plain_table, format_mean_and_std


def build_class_table(classes: Sequence[str], tests: Sequence[Scores]) -> Table:
    """Test scores by class, the mean over seeds, with the paper's beside them."""
    table = build_plain_table(
        ["class", "precision", "recall", "F1", "faces", "paper's: P", "R", "F1"], []
    )
    measured = np.array([[s.precision, s.recall, s.f1] for s in tests])  # (seeds, 3, C)
    support = tests[0].confusion.sum(axis=1)
    for index, name in enumerate(classes):
        cells = [format_mean_and_std(measured[:, measure, index], 2) for measure in range(3)]
        theirs = paper_results.TEST_BY_CLASS.get(name)
        beside = [f"{value:.2f}" for value in theirs] if theirs else ["-"] * 3
        table.add_row(name, *cells, str(support[index]), *beside)
    cells = [format_mean_and_std(measured[:, measure].mean(axis=1), 2) for measure in range(3)]
    beside = [f"{value:.2f}" for value in paper_results.TEST_MACRO]
    table.add_row("macro mean", *cells, str(support.sum()), *beside, style="bold")
    return table


def build_overall_table(
    best: Sequence[EpochResult],
    tests: Sequence[Scores],
    extra_accuracies: Mapping[str, Sequence[float]],
) -> Table:
    """Accuracies and gaps, the mean over seeds, with the paper's beside them.

    more: further test accuracies, a value a seed, shown below the plain one.
    """
    train = np.array([each.metrics["train/accuracy"] for each in best])
    validation = np.array([each.metrics["val/accuracy"] for each in best])
    test = np.array([each.accuracy for each in tests])
    rows = [
        ("train accuracy", train, f"{paper_results.TRAIN_ACCURACY:.3f}"),
        ("validation accuracy", validation, "-"),
        ("gap: train - validation", train - validation, "-"),
        ("test accuracy", test, f"{paper_results.TEST_ACCURACY:.3f}"),
        *((name, np.array(values), "-") for name, values in extra_accuracies.items()),
        (
            "train - test",
            train - test,
            f"{paper_results.TRAIN_ACCURACY - paper_results.TEST_ACCURACY:.3f}",
        ),
    ]
    return build_plain_table(
        ["", "here", "paper"],
        [(name, format_mean_and_std(values), theirs) for name, values, theirs in rows],
    )
