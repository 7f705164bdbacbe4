"""One training of a retraining, as its run in MLflow keeps it."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from fer_tune.events import now
from fer_tune.scoring.metrics import EpochResult, Scores, metric_names, named_test_metrics
from fer_tune.scoring.predictions import Predictions
from fer_tune.scoring.significance import bootstrap
from fer_tune.tracking import tags
from fer_tune.tracking.confusion_matrix import log_confusion, logged_confusion
from fer_tune.tracking.metric_names import best_metrics, best_name, epoch_metrics
from fer_tune.tracking.models.log_model import CARD, log_model
from fer_tune.tracking.models.model_card import model_card
from fer_tune.tracking.queries import as_written
from fer_tune.tracking.run_info import RetrainingDescription
from fer_tune.tracking.store import Store

if TYPE_CHECKING:
    from mlflow.entities import Run

    from fer_tune.trial.train_and_test import Final

PREDICTIONS = "test_predictions.csv"


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
    model: str
    best: EpochResult
    test: Scores
    predictions: Predictions


class SeedRun:
    """The run of one training; its metrics have the names that a trial's have, and `test/...`."""

    def __init__(self, store: Store, what: RetrainingDescription, run: "Run") -> None:
        self._store, self._what = store, what
        self.run_id: str = run.info.run_id
        self._seed = int(run.data.tags[tags.SEED])
        self._recorded = int(run.data.metrics.get(tags.EPOCH, 0))

    def log_epoch(self, result: EpochResult) -> None:
        """Record the epoch, unless it was recorded before the run was broken off."""
        if result.epoch > self._recorded:
            log_metrics(self._store, self.run_id, epoch_metrics(result), result.epoch)
            self._recorded = result.epoch

    def log_final(self, final: "Final") -> SeedOutcome:
        """Record the kept epoch, the test scores, what was said of each face, and the model."""
        store, run_id, client = self._store, self.run_id, self._store.client()
        what, best, test = self._what, final.best, final.test
        within = bootstrap(test.confusion)
        values = best_metrics(best, what.study.metric) | named_test_metrics(test, what.classes)
        for name, interval in (("accuracy", within.accuracy), ("macro_f1", within.macro_f1)):
            values |= {f"test/{name}_low": interval.low, f"test/{name}_high": interval.high}
        log_metrics(store, run_id, values)
        for name, confusion, title in (
            ("confusion", best.confusion, f"validation faces, epoch {best.epoch}"),
            ("test_confusion", test.confusion.tolist(), "test faces"),
        ):
            log_confusion(store, run_id, name, confusion, what.classes, title)
        client.log_text(run_id, final.predictions.as_csv(what.classes), PREDICTIONS)
        card = model_card(what, self._seed, best, test)
        client.log_text(run_id, card, CARD)
        model = log_model(store, run_id, final.model, final.model.config, what.classes, card)
        return SeedOutcome(self._seed, run_id, model, best, test, final.predictions)


def outcome(store: Store, run: "Run", what: RetrainingDescription) -> SeedOutcome:
    """What `SeedRun.log_final` recorded."""
    metrics, run_id = run.data.metrics, run.info.run_id
    names = [name for name in metric_names(what.classes) if best_name(name) in metrics]
    with as_written(run):
        best = EpochResult(
            epoch=int(metrics[f"{tags.BEST}epoch"]),
            metrics={name: metrics[best_name(name)] for name in names},
            confusion=logged_confusion(store, run_id, "confusion").tolist(),
        )
        test = Scores(metrics["test/loss"], logged_confusion(store, run_id, "test_confusion"))
        predictions = logged_predictions(store, run_id, what.classes)
        seed = int(run.data.tags[tags.SEED])
        outputs = store.client().get_run(run_id).outputs
        assert outputs is not None
        model = f"models:/{outputs.model_outputs[-1].model_id}"
    return SeedOutcome(seed, run_id, model, best, test, predictions)


def logged_predictions(store: Store, run_id: str, classes: tuple[str, ...]) -> Predictions:
    """What the model of this run said of each test face."""
    with TemporaryDirectory() as folder:
        table = store.client().download_artifacts(run_id, PREDICTIONS, folder)
        return Predictions.from_csv(Path(table).read_text(encoding="utf-8"), classes)


def log_metrics(store: Store, run_id: str, metrics: Mapping[str, float], step: int = 0) -> None:
    """Record the metrics in one batch."""
    from mlflow.entities import Metric

    batch = [Metric(name, value, now(), step) for name, value in metrics.items()]
    store.client().log_batch(run_id, metrics=batch)
