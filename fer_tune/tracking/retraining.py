"""A retraining in MLflow: a run linked to the trial it came from, with a nested run a seed."""

import time
from collections.abc import Mapping, Sequence
from statistics import mean, stdev
from types import TracebackType
from typing import TYPE_CHECKING, Self

from fer_tune.tracking import tags
from fer_tune.tracking.best import best_metrics
from fer_tune.tracking.figures import confusion_figure, confusion_table
from fer_tune.tracking.model_log import log_model
from fer_tune.tracking.store import Store
from fer_tune.tracking.studies import StudyRecord, TrialRecord
from fer_tune.training.metrics import EpochResult, Scores, named_test_metrics

if TYPE_CHECKING:
    from fer_tune.training.final import Final


class _Run:
    """A context that ends its run FINISHED, FAILED after an error, or KILLED at Ctrl-C."""

    def __init__(self, store: Store, name: str, marks: Mapping[str, str]) -> None:
        self._store, self._client = store, store.client()
        run = self._client.create_run(store.experiment_id, tags=dict(marks), run_name=name)
        self.run_id: str = run.info.run_id

    def _log(self, metrics: Mapping[str, float], step: int = 0) -> None:
        from mlflow.entities import Metric

        now = time.time_ns() // 1_000_000
        batch = [Metric(name, value, now, step) for name, value in metrics.items()]
        self._client.log_batch(self.run_id, metrics=batch)

    def _log_params(self, params: Mapping[str, object]) -> None:
        from mlflow.entities import Param

        batch = [Param(name, str(value)) for name, value in params.items()]
        self._client.log_batch(self.run_id, params=batch)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        killed = isinstance(error, KeyboardInterrupt)
        status = "KILLED" if killed else "FAILED" if error else "FINISHED"
        self._client.set_terminated(self.run_id, status)


class RetrainingRun(_Run):
    """The run of a whole retraining.

    command: the command line that began it.
    epochs: full length of each training.
    """

    def __init__(
        self, store: Store, study: StudyRecord, trial: TrialRecord, command: str, epochs: int
    ) -> None:
        copied = (tags.SOURCE, tags.FACES_HASH, tags.PROTOCOL)
        self._marks = {name: study.tags[name] for name in copied} | {
            tags.RETRAINED_STUDY: study.name,
            tags.RETRAINED_TRIAL: str(trial.number),
            tags.RETRAINED_RUN: trial.run_id,
        }
        self._name = f"retrained {study.name} {trial.number:03d}"
        self._settings = {**trial.config.model_dump(mode="json"), "epochs": epochs}
        super().__init__(store, self._name, self._marks)
        self._log_params(self._settings)
        self._client.log_text(self.run_id, command + "\n", "command.txt")

    def seed_run(self, seed: int, classes: Sequence[str]) -> "SeedRun":
        """Begin the run of one seed, nested in this one."""
        marks = self._marks | {tags.PARENT: self.run_id, tags.SEED: str(seed)}
        return SeedRun(self._store, f"{self._name} seed {seed}", marks, self._settings, classes)

    def log_summary(self, best: Sequence[EpochResult], tests: Sequence[Scores]) -> None:
        """The mean over the seeds of what matters, and where there are several its deviation."""
        values = {
            "test/accuracy": [each.accuracy for each in tests],
            "test/macro_f1": [each.macro_f1 for each in tests],
            "best/gap": [each.metrics["gap"] for each in best],
            "best/macro_f1": [each.metrics["val/macro_f1"] for each in best],
        }
        self._log({name: mean(each) for name, each in values.items()})
        if len(tests) > 1:
            self._log({f"{name}_deviation": stdev(each) for name, each in values.items()})


class SeedRun(_Run):
    """The run of one training; its metrics have the names that a trial's have, and `test/...`."""

    def __init__(
        self,
        store: Store,
        name: str,
        marks: Mapping[str, str],
        settings: Mapping[str, object],
        classes: Sequence[str],
    ) -> None:
        super().__init__(store, name, marks)
        self._classes = classes
        self._log_params(settings)

    def log_epoch(self, result: EpochResult) -> None:
        self._log(result.metrics, result.epoch)

    def log_final(self, final: "Final") -> str:
        """The kept epoch, the test scores and the model; returns the model's address."""
        self._log(best_metrics(final.best) | named_test_metrics(final.test, self._classes))
        confusion = final.test.confusion.tolist()
        figure = confusion_figure(confusion, self._classes, "test faces")
        self._client.log_figure(self.run_id, figure, "test_confusion.png")
        table = confusion_table(confusion, self._classes)
        self._client.log_text(self.run_id, table, "test_confusion.csv")
        config = final.model.config
        return log_model(self._store, self.run_id, final.model, config, self._classes)
