"""The newest retraining of a study, with what its models predicted for the test faces."""

from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass

from mlflow.entities import Run
from mlflow.exceptions import MlflowException

from fer_tune.scoring.evaluation import Evaluation
from fer_tune.scoring.significance import McNemarResult
from fer_tune.tracking import tags
from fer_tune.tracking.seed_run import load_test_evaluation
from fer_tune.tracking.store import Store

# The models that a retrained model is compared with, by the names of the metrics of the test.
COMPARED_MODELS = {
    "paper": "the baseline, trained in the same way",
    "champion": "the champion at that time",
    "best_seed": "its best single network, chosen on the validation faces",
}


@dataclass(frozen=True, eq=False)
class TestedModel:
    """A model of a retraining: a network, or the ensemble of all.

    name: "seed 0", or "the ensemble of seeds 0, 1, 2".
    version: its number in the registry; 0 if it is not registered.
    metrics, params: those of its run, by their names in MLflow.
    test: its evaluation on the test faces.
    """

    __test__ = False  # pytest takes classes of this name for tests

    name: str
    version: int
    metrics: Mapping[str, float]
    params: Mapping[str, str]
    test: Evaluation


@dataclass(frozen=True, eq=False)
class TestedRetraining:
    """A retraining that has ended.

    trial: number of the trial.
    models: at least one.
    comparisons: McNemar's tests of the registered model by the name of the other model.
    """

    __test__ = False

    trial: int
    models: Sequence[TestedModel]
    comparisons: Mapping[str, McNemarResult]

    @property
    def registered(self) -> TestedModel:
        """The model that was registered last; the first one if none is."""
        return max(self.models, key=lambda model: model.version)


def find_tested_retraining(
    store: Store, study: str, classes: tuple[str, ...]
) -> TestedRetraining | None:
    """Return the newest retraining of a study that has ended; None if there is none.

    One of another trial than the baseline comes first, since each retraining may train it too.
    """
    found = store.find_runs({tags.RETRAINED_EPOCHS: "", tags.RETRAINED_STUDY: study})
    runs = [run for run in found if run.info.status == "FINISHED"]
    runs.sort(key=lambda run: (run.data.tags[tags.RETRAINED_TRIAL] != "0", run.info.end_time or 0))
    for run in reversed(runs):
        if models := _load_models(store, run.info.run_id, classes):
            trial = int(run.data.tags[tags.RETRAINED_TRIAL])
            return TestedRetraining(trial, models, _read_comparisons(run))
    return None


def _load_models(store: Store, parent_id: str, classes: tuple[str, ...]) -> list[TestedModel]:
    client, models = store.client, []
    nested = store.find_runs({tags.PARENT: parent_id})
    for run in (each for each in nested if each.info.status == "FINISHED"):
        marks, run_id = run.data.tags, run.info.run_id
        name = f"seed {marks.get(tags.SEED)}"
        if networks := marks.get(tags.ENSEMBLE):
            name = f"the ensemble of seeds {networks}"
        versions = client.search_model_versions(f"run_id = '{run_id}'")
        version = max((int(each.version) for each in versions), default=0)
        # Files may be lost, and evaluations are nested too.
        with suppress(MlflowException, OSError, ValueError):
            test, data = load_test_evaluation(store, run_id, classes), run.data
            models.append(TestedModel(name, version, data.metrics, data.params, test))
    return models


def _read_comparisons(run: Run) -> dict[str, McNemarResult]:
    """Return the tests that `McNemarResult.build_metrics` has put into the metrics."""
    comparisons, metrics = {}, run.data.metrics
    for name in COMPARED_MODELS:
        if f"against_{name}/p" in metrics:
            counts = ("told_alone", "told_by_other_alone")
            ours, theirs = (int(metrics[f"against_{name}/{count}"]) for count in counts)
            comparisons[name] = McNemarResult(ours, theirs, metrics[f"against_{name}/p"])
    return comparisons
