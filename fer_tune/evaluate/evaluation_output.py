"""An evaluation as lines and tables for people, and as JSON for programs."""

import json
from collections.abc import Mapping, Sequence
from typing import Any

from rich.console import Console

from fer_tune.report.evaluation_section import describe_further_scores, describe_scores
from fer_tune.scoring.evaluation import MEASURES, Evaluation
from fer_tune.scoring.metric_estimates import Estimate
from fer_tune.terminal.formatting import build_borderless_table

_SHOWN_MISTAKES = 10
_MAX_MATRIX_CLASSES = 12  # more do not fit a terminal


def print_evaluation(console: Console, evaluation: Evaluation) -> None:
    """Print scores, the table of classes, the confusion matrix and the worst mistakes."""
    for line in (describe_scores(evaluation), *describe_further_scores(evaluation), ""):
        console.print(line)
    headers = ["class", "precision", "recall", "F1", "faces"]
    rows = [
        [own.name, f"{own.precision:.2f}", f"{own.recall:.2f}", f"{own.f1:.2f}", f"{own.faces:,}"]
        for own in evaluation.by_class
    ]
    console.print(build_borderless_table(headers, rows, optional=(1, 2)))
    confusion, classes = evaluation.scores.confusion, evaluation.classes
    if len(classes) <= _MAX_MATRIX_CLASSES:
        console.print("\nConfusion matrix (rows: true classes, columns: predicted classes):")
        counts = [[name, *map(str, row)] for name, row in zip(classes, confusion, strict=True)]
        console.print(build_borderless_table(["", *classes], counts))
    mistakes = _list_mistakes(evaluation, _SHOWN_MISTAKES)
    console.print("\nThe most confident mistakes:" if mistakes else "\nNo mistakes.")
    if mistakes:
        headers = ["face", "true class", "predicted", "probability"]
        rows = [
            [each["face"], each["truth"], each["predicted"], f"{each['probability']:.2f}"]
            for each in mistakes
        ]
        console.print(build_borderless_table(headers, rows))


def to_json(
    evaluation: Evaluation, about: Mapping[str, object], predictions: Evaluation | None
) -> str:
    """Return one JSON object.

    about: what is said of the model, the faces and the run; the first keys.
    predictions: evaluation of the predictions that the model is compared with.
    """
    comparison = predictions and evaluation.compare_with(predictions)
    others, distant = evaluation.without_duplicates, evaluation.without_near_duplicates
    values = {
        **about,
        **_summarize(evaluation),
        "trained_on": evaluation.duplicates,
        "without_duplicates": others and _summarize(others),
        "near_duplicates": evaluation.near_duplicates,
        "without_near_duplicates": distant and _summarize(distant),
        "votes": evaluation.votes
        and {
            "accuracy": evaluation.votes.votes.accuracy,
            "macro_f1": evaluation.votes.votes.macro_f1,
            "agreed_accuracy": evaluation.votes.agreed,
            "disputed_accuracy": evaluation.votes.disputed,
        },
        "mistakes": _list_mistakes(evaluation, len(evaluation.predictions.truth)),
        "predictions": predictions and _summarize(predictions),
        "comparison": comparison and {**comparison._asdict(), "verdict": comparison.verdict},
    }
    return json.dumps(values, indent=2)


def _summarize(evaluation: Evaluation) -> dict[str, object]:
    *by_class, mean = evaluation.by_class
    return {
        "faces": mean.faces,
        "accuracy": _to_dict(evaluation.accuracy),
        "macro_f1": _to_dict(evaluation.macro_f1),
        "calibration_error": evaluation.calibration_error,
        "classes": {
            own.name: {key: _to_dict(getattr(own, key)) for key in MEASURES} | {"faces": own.faces}
            for own in by_class
        },
        "confusion": evaluation.scores.confusion.tolist(),
    }


def _to_dict(estimate: Estimate) -> dict[str, float]:
    assert estimate.interval is not None
    return {"value": estimate.value, **estimate.interval._asdict()}


def _list_mistakes(evaluation: Evaluation, limit: int) -> Sequence[dict[str, Any]]:
    predictions, classes = evaluation.predictions, evaluation.classes
    assert predictions.names is not None
    return [
        {
            "face": str(predictions.names[index]),
            "truth": classes[predictions.truth[index]],
            "predicted": classes[predictions.predicted[index]],
            "probability": round(float(predictions.probability[index]), 6),
        }
        for index in evaluation.find_worst_mistakes(limit)
    ]
