"""The section with the scores of the best trial by class, beside the paper's scores."""

import numpy as np
from numpy.typing import NDArray

from fer_tune.report.class_scores import build_score_table, plot_confusion_matrix
from fer_tune.report.load_study import ReportedStudy
from fer_tune.report.section import NO_RESULT, FaceSheet, Section
from fer_tune.scoring import paper_results
from fer_tune.scoring.metrics import Scores
from fer_tune.study.ranking import describe_unlearnt_trials

TITLE = "The best trial by class"
NOTE = (
    "Scores are measured on the validation faces. The number after ± is half the width of the 95 % "
    f"bootstrap interval. {paper_results.PAPER_REMARK}"
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
        [plot_confusion_matrix("confusion", study.classes, confusion)],
        [build_score_table(study.classes, confusion)],
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
