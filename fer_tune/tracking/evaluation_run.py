"""The run of an evaluation, nested in the run that trained the model."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from fer_tune.scoring.evaluation import Evaluation
from fer_tune.tracking import tags
from fer_tune.tracking.confusion_matrix import log_confusion_matrix
from fer_tune.tracking.run_status import end_run_with_context
from fer_tune.tracking.store import Store

PAGE_FILE = "evaluation.html"
METRIC_PREFIX = "eval"  # of the scores: eval/accuracy, eval_f1/<class>
_TEST_COUNT = "eval/test_evaluations"


@dataclass(frozen=True)
class EvaluatedModel:
    """A model in MLflow.

    uri: address that the user gave, or the default.
    model_id: ID of the logged model; empty if it was registered by hand.
    run_id: ID of the run that trained it; empty if it is not known.
    version: version in the registry, such as `fer_tune/3`; empty without one.
    marks: what was recorded of its training, by the names in `fer_tune.tracking.tags`.
    """

    uri: str
    model_id: str
    run_id: str
    version: str
    marks: Mapping[str, str]


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
    code_version: str
    command: str
    settings: Mapping[str, object] = field(default_factory=dict)
    metrics: Mapping[str, float] = field(default_factory=dict)


def find_evaluated_model(store: Store, uri: str) -> EvaluatedModel:
    """Return what MLflow knows of the model at `uri`, see `load_model`.

    Raises UserError if the store has no such model.
    """
    client, name = store.create_client(), uri.removeprefix("models:/")
    with store.explain_errors(f"model {uri} in {store}"):
        if "/" in name or "@" in name:
            by_alias = "@" in name
            find = client.get_model_version_by_alias if by_alias else client.get_model_version
            version = find(*name.split("@" if by_alias else "/", 1))
            label, model_id = f"{version.name}/{version.version}", version.model_id or ""
            return EvaluatedModel(uri, model_id, version.run_id or "", label, version.tags)
        run_id = client.get_logged_model(name).source_run_id or ""
        marks = client.get_run(run_id).data.tags if run_id else {}
        return EvaluatedModel(uri, name, run_id, "", marks)


def count_test_evaluations(store: Store, faces_hash: str) -> int:
    """Return how often any model was evaluated on these test faces.

    Raises UserError if the store fails.
    """
    same = (
        f"tags.`{tags.EVALUATED_SPLIT}` = 'test' AND tags.`{tags.EVALUATED_FACES}` = '{faces_hash}'"
    )
    with store.explain_errors():
        return sum(run.info.status == "FINISHED" for run in store.search_runs(same))


def log_evaluation(
    store: Store, model: EvaluatedModel, evaluation: Evaluation, info: EvaluationInfo, page: str
) -> str:
    """Log the evaluation as a run, and return its ID.

    page: HTML of the report.
    Raises UserError if the store fails.
    """
    client, metrics = store.create_client(), evaluation.build_metrics(METRIC_PREFIX)
    with store.explain_errors():
        if info.split == "test":
            metrics[_TEST_COUNT] = count_test_evaluations(store, info.faces_hash) + 1
        name = f"evaluated {model.version or model.model_id} on {info.source}, {info.split}"
        run = client.create_run(store.experiment_id, tags=_build_tags(model, info), run_name=name)
        run_id = str(run.info.run_id)
        with end_run_with_context(store, run_id):
            store.log_params(run_id, {k: v for k, v in info.settings.items() if v is not None})
            store.log_metrics(run_id, metrics | dict(info.metrics))
            _log_files(store, run_id, model, evaluation, info)
            client.log_text(run_id, page, PAGE_FILE)
    return run_id


def _build_tags(model: EvaluatedModel, info: EvaluationInfo) -> dict[str, str]:
    marks = {
        tags.EVALUATED_MODEL: model.uri,
        tags.EVALUATED_VERSION: model.version,
        tags.EVALUATED_SPLIT: info.split,
        tags.EVALUATED_FACES: info.faces_hash,
        tags.SOURCE: info.source,
        tags.CODE_VERSION: info.code_version,
        tags.PARENT: model.run_id,
    }
    return {key: value for key, value in marks.items() if value}


def _log_files(
    store: Store, run_id: str, model: EvaluatedModel, evaluation: Evaluation, info: EvaluationInfo
) -> None:
    """Log the artifacts, and the model as an input of the run."""
    from mlflow.entities import LoggedModelInput

    client, classes, predictions = store.create_client(), evaluation.classes, evaluation.predictions
    if model.model_id:
        client.log_inputs(run_id, models=[LoggedModelInput(model.model_id)])
    confusion = evaluation.scores.confusion.tolist()
    log_confusion_matrix(store, run_id, "confusion", confusion, classes, info.source)
    client.log_text(run_id, predictions.to_csv(classes), "predictions.csv")
    client.log_text(run_id, f"{info.command}\n", "command.txt")
