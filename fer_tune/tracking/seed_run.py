"""The run of one training of a retraining, with one seed."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

from mlflow.entities import Run
from mlflow.exceptions import MlflowException

from fer_tune.scoring.evaluation import Evaluation
from fer_tune.scoring.metrics import EpochResult, list_metric_names
from fer_tune.scoring.predictions import Predictions
from fer_tune.scoring.vote_metrics import list_vote_metric_names
from fer_tune.tracking import tags
from fer_tune.tracking.confusion_matrix import log_confusion_matrix, parse_confusion_csv
from fer_tune.tracking.mlflow_metric_names import to_best_metrics, to_best_name, to_epoch_metrics
from fer_tune.tracking.models.log_model import CARD_FILE, log_model
from fer_tune.tracking.models.model_card import render_model_card
from fer_tune.tracking.queries import explain_run_errors
from fer_tune.tracking.store import Store
from fer_tune.tracking.study_and_retrain_info import RetrainInfo

if TYPE_CHECKING:
    from fer_tune.trial.train_and_test import TrainedModel

PREDICTIONS_FILE = "test_predictions.csv"


@dataclass(frozen=True, eq=False)
class SeedOutcome:
    """Results of one training, or of the ensemble of all.

    seed: None for the ensemble.
    model_uri: address of the model, `models:/<id>`.
    best: best epoch. If it is read from a finished run, it lacks the metrics of single classes.
    test: evaluation of the best epoch's weights on the test split.
    """

    seed: int | None
    run_id: str
    model_uri: str
    best: EpochResult
    test: Evaluation


class SeedRun:
    """Open run of one training. Its metrics have the names of a trial's metrics, and `test/...`."""

    def __init__(self, store: Store, info: RetrainInfo, run: Run) -> None:
        self._store, self._info = store, info
        self.run_id: str = run.info.run_id
        self._seed = _read_seed(run)
        self._last_epoch = int(run.data.metrics.get(tags.EPOCH, 0))

    def log_epoch(self, result: EpochResult) -> bool:
        """Log the metrics of the epoch, unless they were logged before an interrupt.

        Returns whether they were logged now.
        """
        if result.epoch <= self._last_epoch:
            return False
        self._store.log_metrics(self.run_id, to_epoch_metrics(result), result.epoch)
        self._last_epoch = result.epoch
        return True

    def log_outcome(self, trained: "TrainedModel") -> SeedOutcome:
        """Log the best epoch, the test scores, the predictions and the model."""
        store, run_id, client = self._store, self.run_id, self._store.client
        best, test, classes = trained.best, trained.test, self._info.classes
        values = to_best_metrics(best, self._info.study.metric) | test.build_metrics("test")
        values["temperature"] = trained.model.temperature
        values["test/calibration_error_before"] = trained.measure_uncalibrated_error()
        store.log_metrics(run_id, values)
        for name, confusion, title in (
            ("confusion", best.confusion, f"validation split, epoch {best.epoch}"),
            ("test_confusion", test.scores.confusion.tolist(), "test split"),
        ):
            log_confusion_matrix(store, run_id, name, confusion, classes, title)
        client.log_text(run_id, test.predictions.to_csv(classes), PREDICTIONS_FILE)
        card = render_model_card(self._info, self._seed, trained)
        client.log_text(run_id, card, CARD_FILE)
        uri = log_model(store, run_id, trained.model, classes, card)
        return SeedOutcome(self._seed, run_id, uri, best, test)


def find_seed_outcome(store: Store, run: Run, info: RetrainInfo) -> SeedOutcome | None:
    """Return the results that `SeedRun.log_outcome` logged in a finished run.

    None if their artifacts are lost.
    Raises UserError if something has changed the run, MlflowException if the store fails.
    """
    metrics, run_id = run.data.metrics, run.info.run_id
    known = list_metric_names(info.classes) + list_vote_metric_names()
    names = [name for name in known if to_best_name(name) in metrics]
    try:
        with explain_run_errors(run):
            confusion = parse_confusion_csv(store.read_text(run_id, "confusion.csv"))
            best = EpochResult(
                epoch=int(metrics[f"{tags.BEST_PREFIX}epoch"]),
                metrics={name: metrics[to_best_name(name)] for name in names},
                confusion=confusion.to_numpy().tolist(),
            )
            test = load_test_evaluation(store, run_id, info.classes)
            outputs = store.client.get_run(run_id).outputs
            assert outputs is not None
            uri = f"models:/{outputs.model_outputs[-1].model_id}"
            return SeedOutcome(_read_seed(run), run_id, uri, best, test)
    except MlflowException as error:
        if error.error_code != "RESOURCE_DOES_NOT_EXIST":
            raise
    return None


def _read_seed(run: Run) -> int | None:
    return None if tags.ENSEMBLE in run.data.tags else int(run.data.tags[tags.SEED])


def load_test_evaluation(store: Store, run_id: str, classes: tuple[str, ...]) -> Evaluation:
    """Return the evaluation on the test faces, from the predictions that the run has.

    Raises MlflowException or OSError without them, ValueError if they are of other classes.
    """
    text = store.read_text(run_id, PREDICTIONS_FILE)
    return Evaluation(classes, Predictions.from_csv(text, classes))
