"""Events put into MLflow, one at a time; each may come again without being recorded twice."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, cast

from fer_tune.errors import UserError
from fer_tune.tracking import tags
from fer_tune.tracking.best import best_metrics, is_better
from fer_tune.tracking.events import (
    EpochEnded,
    Event,
    StudyDescription,
    StudyEnded,
    TrialEnded,
    TrialStarted,
)
from fer_tune.tracking.store import Store
from fer_tune.tracking.studies import study_run, trial_runs
from fer_tune.training.metrics import Ending, EpochResult

if TYPE_CHECKING:
    from mlflow.entities import Run

_STATUS = {
    "finished": "FINISHED",
    "stopped": "FINISHED",
    "failed": "FAILED",
    "interrupted": "KILLED",
}


@dataclass
class _Trial:
    run_id: str
    recorded: int = 0  # the last epoch in MLflow
    ended: Ending | None = None  # None while the run is RUNNING
    best: EpochResult | None = None


class Recorder:
    """A study's parent run and the runs of its trials.

    With `resume`, the runs that the store has of the study go on; without, it must have none.
    Raises UserError where the study's name is taken, MlflowException where the store fails.
    """

    def __init__(self, store: Store, study: StudyDescription, resume: bool) -> None:
        self._client = store.client()
        self._store = store
        self._study = study
        self._trials: dict[int, _Trial] = {}
        parent = study_run(store, study.name)
        if parent is None:
            parent = self._begin()
        elif not resume:
            raise UserError(
                f"study {study.name} is already in {store}; resume it, or choose another name"
            )
        else:
            runs = trial_runs(store, parent.info.run_id)
            self._trials = {int(run.data.tags[tags.TRIAL]): _trial(run) for run in runs}
            self._reopen(parent.info.run_id)
        self.run_id: str = parent.info.run_id

    def record(self, event: Event) -> None:
        """Put one event into MLflow, or raise and leave what was there fit for another try."""
        match event:
            case TrialStarted():
                self._trial_started(event)
            case EpochEnded():
                self._epoch_ended(event)
            case TrialEnded():
                self._trial_ended(event)
            case StudyEnded():
                self._study_ended(event)

    def _tags(self) -> dict[str, str]:
        return {
            tags.STUDY: self._study.name,
            tags.SOURCE: self._study.source,
            tags.FACES_HASH: self._study.faces_hash,
            tags.PROTOCOL: self._study.protocol,
            tags.CODE_VERSION: self._study.code_version,
            tags.SEED: str(self._study.seed),
        }

    def _begin(self) -> "Run":
        from mlflow.entities import Param

        own = {tags.METRIC: self._study.metric, tags.NOTE: "\n\n".join(self._study.notes)}
        run = self._client.create_run(
            self._store.experiment_id, tags=self._tags() | own, run_name=self._study.name
        )
        settings = self._study.settings.items()
        params = [Param(name, str(value)) for name, value in settings if value is not None]
        self._client.log_batch(run.info.run_id, params=params)
        try:
            self._client.log_text(run.info.run_id, self._study.space, "space.yaml")
            self._client.log_text(run.info.run_id, self._study.command + "\n", "command.txt")
        except BaseException:  # nobody can use half a study
            self._client.delete_run(run.info.run_id)
            raise
        return run

    def _reopen(self, run_id: str) -> None:
        self._client.update_run(run_id, status="RUNNING")
        # A run that was cut off as it ended has no such tag.
        if tags.ENDED in self._client.get_run(run_id).data.tags:
            self._client.delete_tag(run_id, tags.ENDED)

    def _trial_started(self, event: TrialStarted) -> None:
        from mlflow.entities import Param

        trial = self._trials.get(event.number)
        if trial is not None:
            if trial.ended == "interrupted":
                self._reopen(trial.run_id)
                trial.ended = None
            return
        run = self._client.create_run(
            self._store.experiment_id,
            start_time=event.time,
            tags=self._tags() | {tags.PARENT: self.run_id, tags.TRIAL: str(event.number)},
            run_name=event.name,
        )
        self._client.log_batch(
            run.info.run_id, params=[Param(name, value) for name, value in event.params.items()]
        )
        self._trials[event.number] = _Trial(run.info.run_id)

    def _epoch_ended(self, event: EpochEnded) -> None:
        from mlflow.entities import Metric

        trial, result = self._trials[event.number], event.result
        values = {**result.metrics, tags.EPOCH: float(result.epoch)}
        if is_better(result, trial.best, self._study.metric):
            trial.best = result
            values |= best_metrics(result)
        if result.epoch <= trial.recorded:
            return
        if trial.ended is not None:
            self._reopen(trial.run_id)
            trial.ended = None
        batch = [Metric(name, value, event.time, result.epoch) for name, value in values.items()]
        self._client.log_batch(trial.run_id, metrics=batch)
        trial.recorded = result.epoch

    def _trial_ended(self, event: TrialEnded) -> None:
        from mlflow.entities import RunTag

        trial = self._trials[event.number]
        if trial.ended is not None:
            return
        if trial.best is not None:
            self._log_confusion(trial.run_id, trial.best)
        marks: dict[str, str] = {tags.ENDED: event.ending}
        if event.error:
            self._client.log_text(trial.run_id, event.error, "error.txt")
            marks[tags.ERROR] = event.error.strip().splitlines()[-1][:500]
        self._client.set_terminated(trial.run_id, _STATUS[event.ending], event.time)
        self._client.log_batch(trial.run_id, tags=[RunTag(k, v) for k, v in marks.items()])
        trial.ended = event.ending

    def _log_confusion(self, run_id: str, best: EpochResult) -> None:
        from fer_tune.tracking.figures import confusion_figure, confusion_table

        title = f"validation faces, epoch {best.epoch}"
        figure = confusion_figure(best.confusion, self._study.classes, title)
        table = confusion_table(best.confusion, self._study.classes)
        self._client.log_figure(run_id, figure, "confusion.png")
        self._client.log_text(run_id, table, "confusion.csv")

    def _study_ended(self, event: StudyEnded) -> None:
        for number, trial in self._trials.items():
            if trial.ended is None:
                self._trial_ended(TrialEnded(number, "interrupted", None, event.time))
        notes = "\n\n".join([*self._study.notes, event.note]).strip()
        self._client.set_tag(self.run_id, tags.NOTE, notes)
        self._client.set_terminated(self.run_id, _STATUS[event.ending], event.time)
        self._client.set_tag(self.run_id, tags.ENDED, event.ending)


def _trial(run: "Run") -> _Trial:
    ended = cast("Ending | None", run.data.tags.get(tags.ENDED))
    if ended is None and run.info.status != "RUNNING":
        ended = "interrupted"
    return _Trial(run.info.run_id, int(run.data.metrics.get(tags.EPOCH, 0)), ended)
