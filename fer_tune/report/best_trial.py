"""The best trial by class, beside the paper."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from fer_tune.report.load_study import ReportedStudy
from fer_tune.report.plotting import draw_picture, truncate_names
from fer_tune.report.section import FaceSheet, Picture, Section, Table
from fer_tune.scoring import paper_results
from fer_tune.scoring.metrics import Scores
from fer_tune.scoring.significance import ConfidenceInterval, bootstrap_intervals

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_MAX_MATRIX_CLASSES = 10  # classes whose counts fit into the cells of the matrix
TITLE = "The best trial, class by class"
NOTE = (
    "On the validation faces, ± half of the 95 % bootstrap interval. "
    + paper_results.PAPER_REMARK
    + " No "
    "network was shown a test face for this page."
)


def build_best_trial_section(
    study: ReportedStudy, sheets: list[FaceSheet], missing_reason: str = ""
) -> Section:
    """Scores by class, the confusion matrix, and faces where there are some.

    without: says why there are none.
    """
    if study.best is None:
        return Section(TITLE, "No trial has finished an epoch yet.")
    confusion = np.array(study.best.best_epoch.confusion, dtype=np.int64)
    if not confusion.sum():
        later = "Its confusion matrix is not recorded in MLflow before the trial ends."
        return Section(TITLE, later, missing_reason, sheets=sheets)
    return Section(
        TITLE,
        summarize_classes(study.best.number, study.classes, confusion),
        f"{NOTE} {missing_reason}".strip(),
        [_plot_confusion_matrix(study.classes, confusion)],
        [_build_score_table(study.classes, confusion)],
        sheets=sheets,
    )


def summarize_classes(number: int, classes: tuple[str, ...], confusion: NDArray[np.int64]) -> str:
    """The class told best, the one told worst, and what is mistaken most often."""
    f1 = Scores(0.0, confusion).f1
    high, low = classes[int(f1.argmax())], classes[int(f1.argmin())]
    told = f"Trial {number:03d} tells {high} best (F1 {f1.max():.2f})"
    if low != high:
        told += f" and {low} worst (F1 {f1.min():.2f})"
    wrong = confusion - np.diag(np.diag(confusion))
    if wrong.any():
        share = wrong / np.maximum(confusion.sum(axis=1, keepdims=True), 1)
        truth, taken = divmod(int(share.argmax()), len(classes))
        told += (
            f"; most often, {share.max():.0%} of the {classes[truth]} faces are taken for "
            f"{classes[taken]}"
        )
    return told + "."


def _build_score_table(classes: tuple[str, ...], confusion: NDArray[np.int64]) -> Table:
    scores, intervals = Scores(0.0, confusion), bootstrap_intervals(confusion)
    values = (scores.precision, scores.recall, scores.f1)
    by_class = (intervals.precision, intervals.recall, intervals.f1)
    macro = (intervals.macro_precision, intervals.macro_recall, intervals.macro_f1)
    faces = confusion.sum(axis=1)
    rows = [
        [
            name,
            *(
                _format_cell(v[i], interval[i])
                for v, interval in zip(values, by_class, strict=True)
            ),
            f"{faces[i]:,}",
            *_format_paper_scores(paper_results.TEST_BY_CLASS.get(name)),
        ]
        for i, name in enumerate(classes)
    ]
    mean = [_format_cell(v.mean(), interval) for v, interval in zip(values, macro, strict=True)]
    paper = _format_paper_scores(paper_results.TEST_MACRO)
    rows.append(["macro mean", *mean, f"{faces.sum():,}", *paper])
    header = ["class", "precision", "recall", "F1", "faces", "paper's P", "R", "F1"]
    return Table(header, rows)


def _format_cell(value: float, interval: ConfidenceInterval) -> str:
    return f"{value:.2f} ± {(interval.high - interval.low) / 2:.2f}"


def _format_paper_scores(scores: Sequence[float] | None) -> list[str]:
    return [f"{value:.2f}" for value in scores] if scores else ["-"] * 3


def _plot_confusion_matrix(classes: tuple[str, ...], confusion: NDArray[np.int64]) -> Picture:
    share = confusion / np.maximum(confusion.sum(axis=1, keepdims=True), 1)
    count, names = len(classes), truncate_names(classes)

    def plot_panels(axes: "list[Axes]") -> None:
        axes[0].imshow(share, cmap="Greys", vmin=0, vmax=1)
        for (row, column), value in np.ndenumerate(share if count <= _MAX_MATRIX_CLASSES else []):
            text = f"{confusion[row, column]:,}\n{value:.0%}"
            ink = "white" if value > 0.5 else "black"
            axes[0].text(column, row, text, color=ink, ha="center", va="center", fontsize=6.5)
        axes[0].set_xticks(range(count), names, rotation=45, ha="right")
        axes[0].set_yticks(range(count), names)
        axes[0].set_xlabel("predicted class")
        axes[0].set_ylabel("true class")
        axes[0].grid(False)
        axes[0].tick_params(length=0)

    alt = "Confusion matrix: faces, and their share of the true class. Told right: " + ", ".join(
        f"{name} {share[index, index]:.0%}" for index, name in enumerate(classes)
    )
    return draw_picture("confusion", alt, plot_panels, height=min(4.6, 1.4 + 0.46 * count))
