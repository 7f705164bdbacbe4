"""A retraining in MLflow: a run linked to the trial it came from, with a nested run a seed."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from statistics import mean, stdev
from typing import TYPE_CHECKING

from fer_tune.errors import UserError
from fer_tune.events import now
from fer_tune.tracking import tags
from fer_tune.tracking.best import best_metrics, best_name, epoch_metrics
from fer_tune.tracking.description import RetrainingDescription
from fer_tune.tracking.figures import log_confusion, logged_confusion
from fer_tune.tracking.model_log import log_model
from fer_tune.tracking.store import Store, first_line, stop_retries
from fer_tune.tracking.studies import as_written
from fer_tune.training.metrics import EpochResult, Scores, metric_names, named_test_metrics

if TYPE_CHECKING:
    from mlflow.entities import Run

    from fer_tune.training.final import Final


@dataclass(frozen=True, eq=False)
class SeedOutcome:
    """What came out of one seed.

    best: the kept epoch; read back from a finished run, it lacks the metrics of single classes.
    test: that epoch on the test faces.
    model: its address, `models:/<id>`.
    """

    best: EpochResult
    test: Scores
    model: str


@contextmanager
def open_retraining(store: Store, what: RetrainingDescription) -> Iterator["RetrainingRun"]:
    """Begin a retraining, or go on with the newest of the same trial and length not finished.

    Its run, and each seed's, ends FINISHED, FAILED after an error, or KILLED at Ctrl-C.
    Raises UserError where the store fails.
    """
    study, trial = what.study, what.trial
    marks = {
        **{name: study.tags[name] for name in (tags.SOURCE, tags.FACES_HASH, tags.PROTOCOL)},
        tags.CODE_VERSION: what.code_version,
        tags.RETRAINED_STUDY: study.name,
        tags.RETRAINED_TRIAL: str(trial.number),
    }
    same = {tags.RETRAINED_RUN: trial.run_id, tags.RETRAINED_EPOCHS: str(what.epochs)}
    name = f"retrained {study.name} {trial.number:03d}"
    with _open(store, name, same, marks | {tags.NOTE: what.note}) as run:
        yield RetrainingRun(store, what, run, marks | {tags.RETRAINED_RUN: trial.run_id})


class RetrainingRun:
    """The run of a whole retraining, while it is open."""

    def __init__(
        self, store: Store, what: RetrainingDescription, run: "Run", marks: Mapping[str, str]
    ) -> None:
        self._store, self._client, self._what, self._marks = store, store.client(), what, marks
        self._name: str = run.info.run_name
        self.run_id: str = run.info.run_id
        self._settings = {**what.trial.config.model_dump(mode="json"), "epochs": what.epochs}
        _log_params(store, self.run_id, self._settings)
        if not self._client.list_artifacts(self.run_id):
            self._client.log_text(self.run_id, what.command + "\n", "command.txt")
        for left in _runs(store, {tags.PARENT: self.run_id}):
            if left.info.status == "RUNNING":  # by a driver that was killed
                self._client.update_run(left.info.run_id, status="KILLED")

    def finished_seed(self, seed: int) -> SeedOutcome | None:
        """What came out of the seed before, so that it is not trained and tested again."""
        runs = [run for run in _runs(self._store, self._of(seed)) if run.info.status == "FINISHED"]
        return _outcome(self._store, runs[-1], self._what) if runs else None

    @contextmanager
    def open_seed(self, seed: int) -> Iterator["SeedRun"]:
        """Begin the run of one seed, nested in this one, or go on with it."""
        with _open(self._store, f"{self._name} seed {seed}", self._of(seed), self._marks) as run:
            _log_params(self._store, run.info.run_id, self._settings)
            yield SeedRun(self._store, self._what, run)

    def log_summary(self, outcomes: Sequence[SeedOutcome]) -> None:
        """The mean over the seeds of what matters, and where there are several its deviation."""
        best, tests = [each.best for each in outcomes], [each.test for each in outcomes]
        values = {
            "test/accuracy": [each.accuracy for each in tests],
            "test/macro_f1": [each.macro_f1 for each in tests],
            "best/gap": [each.metrics["gap"] for each in best],
            "best/macro_f1": [each.metrics["val/macro_f1"] for each in best],
        }
        summary = {name: mean(each) for name, each in values.items()}
        if len(outcomes) > 1:
            summary |= {f"{name}_deviation": stdev(each) for name, each in values.items()}
        _log_metrics(self._store, self.run_id, summary)

    def _of(self, seed: int) -> dict[str, str]:
        return {tags.PARENT: self.run_id, tags.SEED: str(seed)}


class SeedRun:
    """The run of one training; its metrics have the names that a trial's have, and `test/...`."""

    def __init__(self, store: Store, what: RetrainingDescription, run: "Run") -> None:
        self._store, self._what = store, what
        self.run_id: str = run.info.run_id
        self._recorded = int(run.data.metrics.get(tags.EPOCH, 0))

    def log_epoch(self, result: EpochResult) -> None:
        """Record the epoch, unless it was recorded before the run was broken off."""
        if result.epoch > self._recorded:
            _log_metrics(self._store, self.run_id, epoch_metrics(result), result.epoch)
            self._recorded = result.epoch

    def log_final(self, final: "Final") -> SeedOutcome:
        """Record the kept epoch, the test scores and the model."""
        classes, best, test = self._what.classes, final.best, final.test
        values = best_metrics(best, self._what.study.metric) | named_test_metrics(test, classes)
        _log_metrics(self._store, self.run_id, values)
        for name, confusion, title in (
            ("confusion", best.confusion, f"validation faces, epoch {best.epoch}"),
            ("test_confusion", test.confusion.tolist(), "test faces"),
        ):
            log_confusion(self._store, self.run_id, name, confusion, classes, title)
        model = log_model(self._store, self.run_id, final.model, final.model.config, classes)
        return SeedOutcome(best, test, model)


@contextmanager
def _open(
    store: Store, name: str, same: Mapping[str, str], marks: Mapping[str, str]
) -> Iterator["Run"]:
    """The newest run with all of the tags `same` that is not finished, or a new one."""
    from mlflow.exceptions import MlflowException

    client, status = store.client(), "FAILED"
    try:
        run = next((r for r in _runs(store, same)[::-1] if r.info.status != "FINISHED"), None)
        if run is None:
            run = client.create_run(store.experiment_id, tags={**marks, **same}, run_name=name)
        try:
            client.update_run(run.info.run_id, status="RUNNING")
            yield run
            status = "FINISHED"
        except KeyboardInterrupt:
            status = "KILLED"
            stop_retries()  # which would take minutes where a server hangs
            raise
        finally:
            client.set_terminated(run.info.run_id, status)
    except MlflowException as error:
        raise UserError(
            f"tracking store {store}: {first_line(error)}; the same command goes on from here"
        ) from error


def _runs(store: Store, same: Mapping[str, str]) -> "list[Run]":
    """The runs with all of these tags, oldest first."""
    return list(store.runs(" AND ".join(f"tags.`{k}` = '{v}'" for k, v in same.items())))


def _log_params(store: Store, run_id: str, params: Mapping[str, object]) -> None:
    from mlflow.entities import Param

    batch = [Param(name, str(value)) for name, value in params.items()]
    store.client().log_batch(run_id, params=batch)


def _log_metrics(store: Store, run_id: str, metrics: Mapping[str, float], step: int = 0) -> None:
    from mlflow.entities import Metric

    batch = [Metric(name, value, now(), step) for name, value in metrics.items()]
    store.client().log_batch(run_id, metrics=batch)


def _outcome(store: Store, run: "Run", what: RetrainingDescription) -> SeedOutcome:
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
        outputs = store.client().get_run(run_id).outputs
        assert outputs is not None
        model = outputs.model_outputs[-1].model_id
    return SeedOutcome(best, test, f"models:/{model}")
