"""The section on a model's predictions for labelled faces: scores, mistakes and calibration."""

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes

from fer_tune.common.safe_text import pluralize
from fer_tune.data.faces import Faces
from fer_tune.report.class_scores import build_score_table, plot_confusion_matrix
from fer_tune.report.plotting import PALE, draw_picture
from fer_tune.report.predicted_faces import build_mistake_sheet
from fer_tune.report.section import Picture, Section, Table
from fer_tune.scoring.calibration import BINS, bin_by_confidence
from fer_tune.scoring.evaluation import Evaluation
from fer_tune.scoring.predictions import Predictions

NOTE = (
    "In brackets: 95 % bootstrap intervals over the faces. The number after ± is half the width of "
    f"such an interval. For the calibration, the faces are divided into {BINS} bins by the "
    "probability of the predicted class. Each bar is the accuracy in a bin. If probabilities can "
    "be believed, it ends at the dashed line. The expected calibration error is the mean distance "
    "from this line (Guo et al. 2017, On Calibration of Modern Neural Networks). The lower panel "
    "shows how many faces are in each bin."
)


def build_evaluation_section(
    title: str,
    evaluation: Evaluation,
    faces: Faces | None,
    *,
    findings: Sequence[str] = (),
    tables: Sequence[Table] = (),
) -> Section:
    """Return the section.

    faces: those of the evaluation, in its order; None if they are not available.
    findings: further sentences, each a paragraph.
    tables: further tables, shown first.
    """
    pictures = [plot_confusion_matrix(evaluation)]
    if evaluation.predictions.probabilities is not None:
        pictures.append(_plot_reliability(evaluation.predictions))
    tables = [*tables, build_score_table(evaluation, with_paper=False)]
    findings = [*describe_further_scores(evaluation), *findings]
    sheets = [build_mistake_sheet(evaluation, faces)] if faces is not None else []
    return Section(title, describe_scores(evaluation), NOTE, pictures, tables, findings, sheets)


def describe_scores(evaluation: Evaluation) -> str:
    """Return accuracy, macro F1 and calibration in sentences."""
    faces = pluralize(len(evaluation.predictions.truth), "face")
    scores = f"Accuracy {evaluation.accuracy}, macro F1 {evaluation.macro_f1}, on {faces}."
    return f"{scores} {evaluation.describe_calibration()}".strip()


def describe_further_scores(evaluation: Evaluation) -> list[str]:
    """Return sentences on the faces that are no duplicates of training faces, and on votes.

    There is one without exact duplicates and one without near-duplicates, if it is different.
    """
    exact, near = evaluation.duplicates or 0, evaluation.near_duplicates or 0
    sentences = []
    if others := evaluation.without_duplicates:
        duplicates = f"{pluralize(exact, 'exact duplicate')} of training faces"
        sentences.append(f"Without {duplicates}: {_describe_estimates(others)}")
    if near > exact and (others := evaluation.without_near_duplicates):
        included = ", exact ones included" if exact else ""
        duplicates = f"{pluralize(near, 'near-duplicate')} of training faces{included}"
        sentences.append(f"Without {duplicates}: {_describe_estimates(others)}")
    return [*sentences, *([str(evaluation.votes)] if evaluation.votes else [])]


def _describe_estimates(evaluation: Evaluation) -> str:
    return f"accuracy {evaluation.accuracy}, macro F1 {evaluation.macro_f1}."


def _plot_reliability(predictions: Predictions) -> Picture:
    assert predictions.probabilities is not None
    bins = bin_by_confidence(predictions.probabilities, predictions.truth)
    edges, count = np.arange(BINS) / BINS, np.maximum(bins.faces, 1)
    accuracy = bins.correct / count

    def plot_panels(axes: list[Axes]) -> None:
        axes[0].bar(edges, accuracy, 1 / BINS, align="edge", color=PALE)
        axes[0].plot([0, 1], [0, 1], "--", color="black")
        axes[0].set(ylim=(0, 1), ylabel="accuracy")
        axes[1].bar(edges, bins.faces, 1 / BINS, align="edge", color=PALE)
        axes[1].set(xlim=(0, 1), xlabel="probability of the predicted class", ylabel="faces")

    alt = "Reliability: accuracy by the probability of the predicted class. " + ", ".join(
        f"{edge:.2f}: {value:.0%}"
        for edge, value, faces in zip(edges, accuracy, bins.faces, strict=True)
        if faces
    )
    return draw_picture(alt, plot_panels, height=3.6, panels=2)
