"""The section on the test set, which a study has once its best trial is trained again."""

from dataclasses import replace

from fer_tune.data.duplicates import has_duplicate, has_near_duplicate
from fer_tune.data.faces import Splits
from fer_tune.report.evaluation_section import build_evaluation_section
from fer_tune.report.section import Section, Table
from fer_tune.tracking.study_and_retrain_info import select_training_faces
from fer_tune.tracking.tested_retraining import COMPARED_MODELS, TestedRetraining

TITLE = "On the test set"
_COLUMNS = {
    "accuracy": "test/accuracy",
    "macro F1": "test/macro_f1",
    "calibration error": "test/calibration_error",
    "without temperature": "test/calibration_error_before",
    "gap": "best/gap",
}


def build_test_section(tested: TestedRetraining, splits: Splits | None) -> Section:
    """Return the section: each model, and the scores and mistakes of the registered one.

    splits: the study's faces; None if they are not available.
    """
    model, faces = tested.registered, None
    test = model.test
    if splits and splits.test.labels.tolist() == model.test.predictions.truth.tolist():
        faces = splits.test
        training = select_training_faces(splits.train, model.params)
        exact = has_duplicate(faces.images, training.images)
        near = has_near_duplicate(faces.images, training.images)
        test = replace(test, is_duplicate=exact, is_near_duplicate=near)
    findings = [
        f"The scores, pictures and mistakes are those of {model.name} in the table, which was "
        f"trained like trial {tested.trial:03d}.",
        *(
            f"Against {COMPARED_MODELS[name]}, it is {result}."
            for name, result in tested.comparisons.items()
        ),
    ]
    tables = [_build_model_table(tested)]
    return build_evaluation_section(TITLE, test, faces, findings=findings, tables=tables)


def _build_model_table(tested: TestedRetraining) -> Table:
    rows = []
    for model in tested.models:
        is_registered = model is tested.registered and model.version
        values = (model.metrics.get(metric) for metric in _COLUMNS.values())
        cells = ("-" if value is None else f"{value:.3f}" for value in values)
        rows.append([f"{model.name} (registered)" if is_registered else model.name, *cells])
    return Table(["model", *_COLUMNS], rows)
