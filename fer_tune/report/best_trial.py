"""The section with the scores of the best trial by class, beside the paper's scores."""

from fer_tune.report.class_scores import build_score_table, plot_confusion_matrix
from fer_tune.report.load_study import ReportedStudy
from fer_tune.report.section import FaceSheet, Section
from fer_tune.scoring import paper_results
from fer_tune.scoring.evaluation import Evaluation
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
    evaluation = Evaluation.from_confusion(study.classes, study.best.best_epoch.confusion)
    if not len(evaluation.predictions.truth):
        summary = "Its confusion matrix is not recorded in MLflow before the trial ends."
        return Section(TITLE, summary, missing_reason, sheets=sheets)
    unlearnt = describe_unlearnt_trials([study.best], study.scored).strip()
    summary = unlearnt or summarize_classes(study.best.number, evaluation)
    pictures, tables = [plot_confusion_matrix(evaluation)], [build_score_table(evaluation)]
    note = f"{NOTE} {missing_reason}".strip()
    return Section(TITLE, summary, note, pictures, tables, sheets=sheets)


def summarize_classes(number: int, evaluation: Evaluation) -> str:
    """Return the classes with the best and worst F1, and the most frequent mistake."""
    classes, f1 = evaluation.classes, evaluation.scores.f1
    high, low = classes[int(f1.argmax())], classes[int(f1.argmin())]
    text = f"Trial {number:03d} recognizes {high} best (F1 {f1.max():.2f})"
    if low != high:
        text += f" and {low} worst (F1 {f1.min():.2f})"
    confusions = evaluation.find_confusions()
    if not confusions:
        return f"{text}."
    share, truth, predicted = confusions[0]
    mistake = f"{share:.0%} of the {classes[truth]} faces are predicted as {classes[predicted]}"
    return f"{text}. The most frequent mistake: {mistake}."
