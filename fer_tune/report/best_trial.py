"""The section with the scores of the best trial by class, beside the paper's scores."""

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from numpy.typing import NDArray

from fer_tune.report.load_study import ReportedStudy
from fer_tune.report.plotting import draw_picture, truncate_names
from fer_tune.report.section import NO_RESULT, FaceSheet, Picture, Section, Table
from fer_tune.scoring import paper_results
from fer_tune.scoring.metrics import Scores
from fer_tune.scoring.significance import ConfidenceInterval, bootstrap_intervals
from fer_tune.study.ranking import describe_unlearnt_trials

_MAX_MATRIX_CLASSES = 10  # with more classes, the cells are too small for numbers
TITLE = "The best trial by class"
NOTE = (
    "Scores are measured on the validation faces. The number after ± is half the width of the 95 % "
    f"bootstrap interval. {paper_results.PAPER_REMARK} This page uses no test faces."
)


def build_best_trial_section(
    study: ReportedStudy, sheets: list[FaceSheet], missing_reason: str = ""
) -> Section:
    """Return the section: scores by class, the confusion matrix and sheets of faces.

    missing_reason: why there are no sheets.
    """
    if not study.scored:
        return Section(TITLE, NO_RESULT)
    confusion = np.array(study.best.best_epoch.confusion, dtype=np.int64)
    if not confusion.sum():
        summary = "Its confusion matrix is not recorded in MLflow before the trial ends."
        return Section(TITLE, summary, missing_reason, sheets=sheets)
    unlearnt = describe_unlearnt_trials([study.best], study.scored).strip()
    return Section(
        TITLE,
        unlearnt or summarize_classes(study.best.number, study.classes, confusion),
        f"{NOTE} {missing_reason}".strip(),
        [_plot_confusion_matrix(study.classes, confusion)],
        [_build_score_table(study.classes, confusion)],
        sheets=sheets,
    )


def summarize_classes(number: int, classes: tuple[str, ...], confusion: NDArray[np.int64]) -> str:
    """Return the classes with the best and worst F1, and the most frequent mistake."""
    f1 = Scores(0.0, confusion).f1
    high, low = classes[int(f1.argmax())], classes[int(f1.argmin())]
    text = f"Trial {number:03d} recognizes {high} best (F1 {f1.max():.2f})"
    if low != high:
        text += f" and {low} worst (F1 {f1.min():.2f})"
    wrong = confusion - np.diag(np.diag(confusion))
    if not wrong.any():
        return f"{text}."
    share = wrong / np.maximum(confusion.sum(axis=1, keepdims=True), 1)
    truth, predicted = divmod(int(share.argmax()), len(classes))
    mistake = f"{share.max():.0%} of the {classes[truth]} faces are predicted as"
    return f"{text}. The most frequent mistake: {mistake} {classes[predicted]}."


def _build_score_table(classes: tuple[str, ...], confusion: NDArray[np.int64]) -> Table:
    scores, intervals = Scores(0.0, confusion), bootstrap_intervals(confusion)
    measures = (
        (scores.precision, intervals.precision, intervals.macro_precision),
        (scores.recall, intervals.recall, intervals.macro_recall),
        (scores.f1, intervals.f1, intervals.macro_f1),
    )
    faces = confusion.sum(axis=1)
    rows = [
        [
            name,
            *(_format_score(values[i], by_class[i]) for values, by_class, _ in measures),
            f"{faces[i]:,}",
            *_format_paper_scores(paper_results.TEST_BY_CLASS.get(name)),
        ]
        for i, name in enumerate(classes)
    ]
    means = [_format_score(values.mean(), macro) for values, _, macro in measures]
    paper = _format_paper_scores(paper_results.TEST_MACRO)
    rows.append(["macro mean", *means, f"{faces.sum():,}", *paper])
    header = ["class", "precision", "recall", "F1", "faces", "paper's P", "R", "F1"]
    return Table(header, rows)


def _format_score(value: float, interval: ConfidenceInterval) -> str:
    return f"{value:.2f} ± {(interval.high - interval.low) / 2:.2f}"


def _format_paper_scores(scores: Sequence[float] | None) -> list[str]:
    return [f"{value:.2f}" for value in scores] if scores else ["-"] * 3


def _plot_confusion_matrix(classes: tuple[str, ...], confusion: NDArray[np.int64]) -> Picture:
    share = confusion / np.maximum(confusion.sum(axis=1, keepdims=True), 1)
    count, names = len(classes), truncate_names(classes)

    def plot_panels(axes: list[Axes]) -> None:
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

    alt = "Confusion matrix: faces, and their share of the true class. Correct: " + ", ".join(
        f"{name} {share[index, index]:.0%}" for index, name in enumerate(classes)
    )
    return draw_picture("confusion", alt, plot_panels, height=min(4.6, 1.4 + 0.46 * count))
