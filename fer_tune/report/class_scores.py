"""A table of the scores of each class, and the confusion matrix as a picture."""

import numpy as np
from matplotlib.axes import Axes

from fer_tune.report.plotting import draw_picture, truncate_names
from fer_tune.report.section import Picture, Table
from fer_tune.scoring import paper_results
from fer_tune.scoring.evaluation import Evaluation

_MAX_MATRIX_CLASSES = 10  # with more classes, the cells are too small for numbers


def build_score_table(evaluation: Evaluation, *, with_paper: bool = True) -> Table:
    """Return precision, recall and F1 of each class, and their means.

    with_paper: beside the paper's scores.
    """
    rows = []
    for name, *scores, faces in evaluation.by_class:
        cells = [f"{each.value:.2f} ± {sum(each.error_bars) / 2:.2f}" for each in scores]
        paper = paper_results.format_class_scores(name) if with_paper else []
        rows.append([name, *cells, f"{faces:,}", *paper])
    header = ["class", "precision", "recall", "F1", "faces"]
    return Table([*header, *(["paper's P", "R", "F1"] if with_paper else [])], rows)


def plot_confusion_matrix(evaluation: Evaluation) -> Picture:
    """Return the matrix: the faces in each cell, and their share of the true class."""
    confusion, classes = evaluation.scores.confusion, evaluation.classes
    share = evaluation.scores.shares
    count, names = len(classes), truncate_names(classes)

    def plot_panels(axes: list[Axes]) -> None:
        axes[0].imshow(share, cmap="Greys", vmin=0, vmax=1)
        for (row, column), value in np.ndenumerate(share if count <= _MAX_MATRIX_CLASSES else []):
            text = f"{confusion[row, column]:,}\n{value:.0%}"
            ink = "white" if value > 0.5 else "black"
            axes[0].text(column, row, text, color=ink, ha="center", va="center", fontsize=6.5)
        axes[0].set_xticks(range(count), names, rotation=45, ha="right")
        axes[0].set_yticks(range(count), names)
        axes[0].set(xlabel="predicted class", ylabel="true class")
        axes[0].grid(False)
        axes[0].tick_params(length=0)

    alt = "Confusion matrix: faces, and their share of the true class. Correct: " + ", ".join(
        f"{own} {share[index, index]:.0%}" for index, own in enumerate(classes)
    )
    return draw_picture(alt, plot_panels, height=min(4.6, 1.4 + 0.46 * count))
