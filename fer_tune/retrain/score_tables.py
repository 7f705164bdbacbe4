"""Tables of test scores beside the paper's."""

from collections.abc import Mapping, Sequence

import numpy as np
from rich.table import Table

from fer_tune.scoring import paper_results
from fer_tune.scoring.evaluation import MEASURES, Evaluation
from fer_tune.scoring.metrics import EpochResult
from fer_tune.terminal.formatting import build_borderless_table, format_mean_and_std


def build_class_table(tests: Sequence[Evaluation]) -> Table:
    """Return the table of test scores by class, as mean and standard deviation over the seeds."""
    headers = ["class", "precision", "recall", "F1", "faces", "paper\nP", "paper\nR", "paper\nF1"]
    table = build_borderless_table(headers, [], optional=(5, 6, 7, 1, 2, 4))
    for index, (name, *_, faces) in enumerate(tests[0].by_class):
        rows = [test.by_class[index] for test in tests]
        measured = [[getattr(row, measure).value for row in rows] for measure in MEASURES]
        cells = [format_mean_and_std(values, 2) for values in measured]
        table.add_row(name, *cells, str(faces), *paper_results.format_class_scores(name))
    table.rows[-1].style = "bold"
    return table


def build_overall_table(
    best: Sequence[EpochResult],
    tests: Sequence[Evaluation],
    extra_accuracies: Mapping[str, Sequence[float]],
) -> Table:
    """Return the table of accuracies and gaps, as mean and standard deviation over the seeds.

    best: best epoch of each seed.
    tests: evaluation of each seed on the test faces.
    extra_accuracies: further test accuracies of each seed, by the name of their row.
    """
    train = np.array([result.metrics["train/accuracy"] for result in best])
    validation = np.array([result.metrics["val/accuracy"] for result in best])
    test = np.array([each.scores.accuracy for each in tests])
    paper_train, paper_test = paper_results.TRAIN_ACCURACY, paper_results.TEST_ACCURACY
    rows = [
        ("train accuracy", train, f"{paper_train:.3f}"),
        ("validation accuracy", validation, "-"),
        ("gap (train - validation)", train - validation, "-"),
        ("test accuracy", test, f"{paper_test:.3f}"),
        *((name, np.array(values), "-") for name, values in extra_accuracies.items()),
        ("train - test", train - test, f"{paper_train - paper_test:.3f}"),
    ]
    cells = [(name, format_mean_and_std(values), paper) for name, values, paper in rows]
    return build_borderless_table(["", "measured", "paper"], cells)
