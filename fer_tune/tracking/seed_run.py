"""One training of a retraining, as its run in MLflow keeps it."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from fer_tune.events import current_time_ms
from fer_tune.scoring.metrics import EpochResult, Scores, build_test_metrics, list_metric_names
from fer_tune.scoring.predictions import Predictions
from fer_tune.scoring.significance import bootstrap_intervals
from fer_tune.tracking import tags
from fer_tune.tracking.artifacts import read_text
from fer_tune.tracking.confusion_matrix import log_confusion_matrix, parse_confusion_csv
from fer_tune.tracking.metric_names import to_best_metrics, to_best_name, to_epoch_metrics
from fer_tune.tracking.models.log_model import CARD_FILE, log_model
from fer_tune.tracking.models.model_card import render_model_card
from fer_tune.tracking.queries import validate_run
from fer_tune.tracking.run_info import RetrainInfo
from fer_tune.tracking.store import Store

if TYPE_CHECKING:
    from mlflow.entities import Run

    from fer_tune.trial.train_and_test import TrainedModel

PREDICTIONS_FILE = "test_predictions.csv"


@dataclass(frozen=True, eq=False)
class SeedOutcome:
    """What came out of one seed.

    run_id, model: its run, and its model's address, `models:/<id>`.
    best: the kept epoch; read back from a finished run, it lacks the metrics of single classes.
    test: that epoch on the test faces.
    predictions: what it said of each of them.
    """

    seed: int
    run_id: str
    model_uri: str
    best: EpochResult
    test: Scores
    predictions: Predictions


class SeedRun:
    """The run of one training; its metrics have the names that a trial's have, and `test/...`."""

    def __init__(self, store: Store, info: RetrainInfo, run: "Run") -> None:
        self._store, self._what = store, info
        self.run_id: str = run.info.run_id
        self._seed = int(run.data.tags[tags.SEED])
        self._recorded = int(run.data.metrics.get(tags.EPOCH, 0))

    def log_epoch(self, result: EpochResult) -> None:
        """Record the epoch, unless it was recorded before the run was broken off."""
        if result.epoch > self._recorded:
            log_metrics(self._store, self.run_id, to_epoch_metrics(result), result.epoch)
            self._recorded = result.epoch

    def log_outcome(self, trained: "TrainedModel") -> SeedOutcome:
        """Record the kept epoch, the test scores, what was said of each face, and the model."""
        store, run_id, client = self._store, self.run_id, self._store.create_client()
        what, best, test = self._what, trained.best, trained.test_scores
        within = bootstrap_intervals(test.confusion)
        values = to_best_metrics(best, what.study.metric) | build_test_metrics(test, what.classes)
        for name, interval in (("accuracy", within.accuracy), ("macro_f1", within.macro_f1)):
            values |= {f"test/{name}_low": interval.low, f"test/{name}_high": interval.high}
        log_metrics(store, run_id, values)
        for name, confusion, title in (
            ("confusion", best.confusion, f"validation faces, epoch {best.epoch}"),
            ("test_confusion", test.confusion.tolist(), "test faces"),
        ):
            log_confusion_matrix(store, run_id, name, confusion, what.classes, title)
        client.log_text(run_id, trained.predictions.to_csv(what.classes), PREDICTIONS_FILE)
        card = render_model_card(what, self._seed, best, test)
        client.log_text(run_id, card, CARD_FILE)
        model = log_model(store, run_id, trained.model, trained.model.config, what.classes, card)
        return SeedOutcome(self._seed, run_id, model, best, test, trained.predictions)


def load_seed_outcome(store: Store, run: "Run", info: RetrainInfo) -> SeedOutcome:
    """What `SeedRun.log_final` recorded."""
    metrics, run_id = run.data.metrics, run.info.run_id
    names = [name for name in list_metric_names(info.classes) if to_best_name(name) in metrics]
    with validate_run(run):
        best = EpochResult(
            epoch=int(metrics[f"{tags.BEST_PREFIX}epoch"]),
            metrics={name: metrics[to_best_name(name)] for name in names},
            confusion=_load_confusion_matrix(store, run_id, "confusion").tolist(),
        )
        test = Scores(metrics["test/loss"], _load_confusion_matrix(store, run_id, "test_confusion"))
        predictions = load_test_predictions(store, run_id, info.classes)
        seed = int(run.data.tags[tags.SEED])
        outputs = store.create_client().get_run(run_id).outputs
        assert outputs is not None
        model = f"models:/{outputs.model_outputs[-1].model_id}"
    return SeedOutcome(seed, run_id, model, best, test, predictions)


def load_test_predictions(store: Store, run_id: str, classes: tuple[str, ...]) -> Predictions:
    """What the model of this run said of each test face."""
    return Predictions.from_csv(read_text(store, run_id, PREDICTIONS_FILE), classes)


def _load_confusion_matrix(store: Store, run_id: str, name: str) -> NDArray[np.int64]:
    return parse_confusion_csv(read_text(store, run_id, f"{name}.csv")).to_numpy()


def log_metrics(store: Store, run_id: str, metrics: Mapping[str, float], step: int = 0) -> None:
    """Record the metrics in one batch."""
    from mlflow.entities import Metric

    batch = [Metric(name, value, current_time_ms(), step) for name, value in metrics.items()]
    store.create_client().log_batch(run_id, metrics=batch)
