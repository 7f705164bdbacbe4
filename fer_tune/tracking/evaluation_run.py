"""The run of an evaluation, nested in the run that trained the model."""

from collections.abc import Mapping
from dataclasses import dataclass

from mlflow.entities import LoggedModelInput

from fer_tune.common.version import read_code_version
from fer_tune.scoring.evaluation import Evaluation
from fer_tune.tracking import tags
from fer_tune.tracking.confusion_matrix import log_confusion_matrix
from fer_tune.tracking.models.find_model import RecordedModel
from fer_tune.tracking.run_status import end_run_with_context
from fer_tune.tracking.store import Store

PAGE_FILE = "evaluation.html"
METRIC_PREFIX = "eval"  # of the scores: eval/accuracy, eval_f1/<class>
_TEST_COUNT = "eval/test_evaluations"


@dataclass(frozen=True)
class EvaluationInfo:
    """Description of an evaluation.

    source: data set, for people.
    split: "train", "validation", "test" or "all".
    faces_hash: SHA-256 of the evaluated faces.
    settings: parameters of the run; None is left out.
    metrics: metrics beside those of the evaluation.
    """

    source: str
    split: str
    faces_hash: str
    command: str
    settings: Mapping[str, object]
    metrics: Mapping[str, float]


def log_evaluation(
    store: Store, model: RecordedModel, evaluation: Evaluation, info: EvaluationInfo, page: str
) -> str:
    """Log the evaluation as a run with the model as its input, and return its ID.

    page: HTML of the report.
    Raises UserError if the store fails.
    """
    client, metrics = store.client, evaluation.build_metrics(METRIC_PREFIX)
    confusion, classes = evaluation.scores.confusion.tolist(), evaluation.classes
    with store.explain_errors():
        if info.split == "test":  # count how often any model was evaluated on these faces
            same = store.find_runs(
                {tags.EVALUATED_SPLIT: "test", tags.EVALUATED_FACES: info.faces_hash}
            )
            metrics[_TEST_COUNT] = sum(run.info.status == "FINISHED" for run in same) + 1
        name = f"evaluated {model.label} on {info.source}, {info.split}"
        run = client.create_run(store.experiment_id, tags=_build_tags(model, info), run_name=name)
        run_id = str(run.info.run_id)
        with end_run_with_context(store, run_id):
            store.log_params(run_id, info.settings)
            store.log_metrics(run_id, metrics | dict(info.metrics))
            if model.model_id:
                client.log_inputs(run_id, models=[LoggedModelInput(model.model_id)])
            log_confusion_matrix(store, run_id, "confusion", confusion, classes, info.source)
            client.log_text(run_id, evaluation.predictions.to_csv(classes), "predictions.csv")
            client.log_text(run_id, f"{info.command}\n", "command.txt")
            client.log_text(run_id, page, PAGE_FILE)
    return run_id


def _build_tags(model: RecordedModel, info: EvaluationInfo) -> dict[str, str]:
    marks = {
        tags.EVALUATED_MODEL: model.uri,
        tags.EVALUATED_VERSION: model.version,
        tags.EVALUATED_SPLIT: info.split,
        tags.EVALUATED_FACES: info.faces_hash,
        tags.SOURCE: info.source,
        tags.CODE_VERSION: read_code_version(),
        tags.PARENT: model.run_id,
    }
    return {key: value for key, value in marks.items() if value}
